#include "model/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <set>

#include "base/error.h"
#include "model/differentiable.h"
#include "model/row_order.h"
#include "ops/cross_entropy.h"

namespace pelton {
namespace {

constexpr std::string_view kGradientPrefix = "grad.";
constexpr int64_t kGreedyPromptTokens = 8;

// What the reference file says, copied out of it (a file's tensors may lie unaligned).
struct Reference {
  int64_t row_count = 0;      // B
  int64_t token_count = 0;    // T of each row
  std::vector<int32_t> ids;   // [B, T]
  std::vector<float> logits;  // [B, T, V]
  std::vector<int32_t> greedy;
  std::optional<float> loss;

  std::span<const int32_t> row_ids(int64_t row) const {
    return std::span(ids).subspan(static_cast<size_t>(row * token_count), static_cast<size_t>(token_count));
  }
};

[[noreturn]] void fail_reference(std::string_view name, std::string_view reason) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("reference file: {}: {}", name, reason));
}

Tensor require_tensor(const TensorSource& source, std::string_view name, ElementType type) {
  const std::optional<Tensor> tensor = source.find(name);
  if (!tensor) fail_reference(name, "missing");
  if (tensor->type() != type) {
    fail_reference(name, fmt::format("is {}; expected {}", element_type_name(tensor->type()), element_type_name(type)));
  }
  return *tensor;
}

// A reference that is not finite could excuse any difference.
std::vector<float> copy_floats(const Tensor& tensor, std::string_view name) {
  std::vector<float> values(static_cast<size_t>(tensor.shape().element_count()));
  std::memcpy(values.data(), tensor.data(), values.size() * sizeof(float));
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    fail_reference(name, "holds a value that is not finite");
  }
  return values;
}

std::vector<int32_t> copy_ids(const Tensor& tensor, std::string_view name, int64_t vocabulary_size) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < tensor.shape().element_count(); ++i) {
    int64_t id = 0;
    std::memcpy(&id, tensor.data() + i * static_cast<int64_t>(sizeof(id)), sizeof(id));
    if (id < 0 || id >= vocabulary_size)
      fail_reference(name, fmt::format("holds the token id {}; the model has {}", id, vocabulary_size));
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

std::vector<int32_t> read_greedy(const TensorSource& source, int64_t vocabulary_size) {
  const Tensor greedy = require_tensor(source, "greedy", ElementType::kI64);
  if (greedy.shape().rank() != 2 || greedy.shape()[0] != 1 || greedy.shape()[1] <= kGreedyPromptTokens) {
    fail_reference("greedy",
                   fmt::format("has shape {}; expected [1, more than {}]: a prompt of {} tokens and its continuation",
                               greedy.shape().to_string(), kGreedyPromptTokens, kGreedyPromptTokens));
  }
  return copy_ids(greedy, "greedy", vocabulary_size);
}

Reference read_reference(const TensorSource& source, const ModelSpec& spec) {
  Reference reference;
  const Tensor ids = require_tensor(source, "input_ids", ElementType::kI64);
  if (ids.shape().rank() != 2 || ids.shape().element_count() == 0)
    fail_reference("input_ids", "expected [rows, tokens], not empty");
  reference.row_count = ids.shape()[0];
  reference.token_count = ids.shape()[1];
  const Tensor logits = require_tensor(source, "logits", ElementType::kF32);
  if (logits.shape() != Shape{reference.row_count, reference.token_count, spec.vocabulary_size}) {
    fail_reference("logits", fmt::format("has shape {}; expected [{}, {}, {}] for this model's vocabulary",
                                         logits.shape().to_string(), reference.row_count, reference.token_count,
                                         spec.vocabulary_size));
  }
  reference.ids = copy_ids(ids, "input_ids", spec.vocabulary_size);
  reference.logits = copy_floats(logits, "logits");
  if (source.find("greedy")) reference.greedy = read_greedy(source, spec.vocabulary_size);
  if (source.find("loss")) {
    const Tensor loss = require_tensor(source, "loss", ElementType::kF32);
    if (loss.shape().element_count() != 1)
      fail_reference("loss", "expected one number, got " + loss.shape().to_string());
    reference.loss = copy_floats(loss, "loss")[0];
  }
  return reference;
}

double largest_magnitude(std::span<const float> values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

// NaN counts as an infinite difference, so that it can never pass.
double difference(float got, float expected) {
  const double diff = std::abs(static_cast<double>(got) - static_cast<double>(expected));
  return std::isnan(diff) ? INFINITY : diff;
}

double divergence(std::span<const float> reference, std::span<const float> got) {
  const auto size = static_cast<int64_t>(reference.size());
  std::vector<float> p(reference.size());
  std::vector<float> q(reference.size());
  log_softmax(reference.data(), size, p.data());
  log_softmax(got.data(), size, q.data());
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i)
    sum += std::exp(static_cast<double>(p[i])) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  return std::isnan(sum) ? INFINITY : std::max(sum, 0.0);
}

// Runs sequences of tokens through the paged cache in chunks and hands out each position's logits.
class ChunkedRun {
 public:
  ChunkedRun(Decoder& decoder, int64_t length) : decoder_(decoder), pages_(static_cast<size_t>(page_count(length))) {
    // Any order of pages must do; the last first is the least like a plain array.
    std::iota(pages_.rbegin(), pages_.rend(), 0);
  }

  static int64_t page_count(int64_t length) {
    return (length + KvLayerCache::kPageTokens - 1) / KvLayerCache::kPageTokens;
  }

  // visit(position, logits [V]) for each position in order.
  void run(std::span<const int32_t> ids, int64_t chunk,
           const std::function<void(int64_t, std::span<const float>)>& visit) {
    const auto vocabulary_size = static_cast<size_t>(decoder_.model().spec.vocabulary_size);
    for (int64_t begin = 0; begin < static_cast<int64_t>(ids.size()); begin += chunk) {
      const int64_t count = std::min(chunk, static_cast<int64_t>(ids.size()) - begin);
      StepBatch batch;
      batch.tokens.assign(ids.begin() + begin, ids.begin() + begin + count);
      batch.sequences.push_back({0, count, begin, pages_});
      batch.logit_rows.resize(static_cast<size_t>(count));
      std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
      const std::span<const float> logits = decoder_.step(batch);
      for (int64_t i = 0; i < count; ++i) {
        visit(begin + i, logits.subspan(static_cast<size_t>(i) * vocabulary_size, vocabulary_size));
      }
    }
  }

 private:
  Decoder& decoder_;
  std::vector<int32_t> pages_;
};

LogitsComparison compare_logits(Decoder& decoder, const Reference& reference, std::string way, int64_t chunk,
                                double tolerance) {
  LogitsComparison result;
  result.way = std::move(way);
  const double largest = largest_magnitude(reference.logits);
  const auto vocabulary_size = static_cast<size_t>(decoder.model().spec.vocabulary_size);
  for (int64_t row = 0; row < reference.row_count; ++row) {
    ChunkedRun run(decoder, reference.token_count);
    run.run(reference.row_ids(row), chunk, [&](int64_t position, std::span<const float> got) {
      const size_t first = static_cast<size_t>(row * reference.token_count + position) * vocabulary_size;
      const std::span<const float> expected = std::span(reference.logits).subspan(first, vocabulary_size);
      for (size_t token = 0; token < vocabulary_size; ++token) {
        const double diff = difference(got[token], expected[token]);
        result.max_abs_diff = std::max(result.max_abs_diff, diff);
        if (diff > tolerance * largest && !result.first_disagreement) {
          result.first_disagreement = {row, position, static_cast<int64_t>(token), got[token], expected[token]};
        }
      }
      result.kl += divergence(expected, got) / static_cast<double>(reference.row_count * reference.token_count);
    });
  }
  result.max_rel_diff = largest > 0 ? result.max_abs_diff / largest : result.max_abs_diff;
  return result;
}

GreedyComparison compare_greedy(Decoder& decoder, const Reference& reference, double tolerance) {
  GreedyComparison result;
  bool is_open = true;  // until the first close call, or the first difference
  ChunkedRun run(decoder, static_cast<int64_t>(reference.greedy.size()));
  run.run(reference.greedy, 1, [&](int64_t position, std::span<const float> logits) {
    const auto next = static_cast<size_t>(position + 1);
    if (!is_open || position + 1 < kGreedyPromptTokens || next >= reference.greedy.size()) return;
    const auto best = std::max_element(logits.begin(), logits.end());
    float second = -INFINITY;
    for (auto logit = logits.begin(); logit != logits.end(); ++logit) {
      if (logit != best) second = std::max(second, *logit);
    }
    if (!(*best - second >= 10 * tolerance)) {
      is_open = false;
      return;
    }
    ++result.compared;
    result.passed = best - logits.begin() == reference.greedy[next];
    is_open = result.passed;
  });
  return result;
}

// Rows of each head in the order of llama.cpp's files → Hugging Face's.
std::vector<float> deinterleave_rows(std::span<const float> values, const Shape& shape, int64_t head_width) {
  std::vector<float> result(values.size());
  const int64_t columns = shape.element_count() / shape[0];
  for (int64_t row = 0; row < shape[0]; ++row) {
    std::copy_n(values.begin() + source_row(RowOrder::kDeinterleave, row, head_width) * columns, columns,
                result.begin() + row * columns);
  }
  return result;
}

// The part of a file's tensor that is this weight's gradient, in the weight's own layout.
std::vector<float> weight_part(std::span<const float> tensor, const WeightPlace& place, const Shape& shape) {
  const int64_t columns = shape.rank() == 1 ? 1 : shape[1];
  std::vector<float> part;
  part.reserve(static_cast<size_t>(shape.element_count()));
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      part.push_back(tensor[static_cast<size_t>(element_in_tensor(place, row, column))]);
    }
  }
  return part;
}

// Numbers of the file that training leaves alone: whatever a reference holds for them is no gradient.
std::set<std::string, std::less<>> constants_of(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const LayerCall& call : graph.calls) {
    const bool is_constant =
        std::holds_alternative<StoredScaleCall>(call.kind) || std::holds_alternative<ExpertsCall>(call.kind);
    if (is_constant) names.insert(call.weight);
  }
  return names;
}

GradientsComparison compare_gradients(const Model& model, const std::map<std::string, Tensor>& gradients,
                                      const TensorSource& expected, double tolerance) {
  GradientsComparison result;
  std::set<std::string> known;
  const std::set<std::string, std::less<>> constants = constants_of(model.graph);
  const std::span<const WeightName> names = model.architecture->weight_names;
  // llama.cpp's converter reorders the rows of each head so that rotated pairs are neighbours.
  const bool is_interleaved =
      model.naming == WeightNaming::kGguf && model.spec.rope.pairing == RopePairing::kInterleaved;
  for (const auto& [canonical, place] : weight_places(model.graph, names, WeightNaming::kHuggingFace)) {
    const Tensor& gradient = gradients.at(canonical);
    const std::string name = std::string(kGradientPrefix) + place.tensor;
    known.insert(name);
    if (!expected.find(name) || constants.contains(canonical)) continue;
    const Tensor reference = require_tensor(expected, name, ElementType::kF32);
    if (reference.shape() != place.tensor_shape) {
      fail_reference(name, fmt::format("has shape {}; the weight has {}", reference.shape().to_string(),
                                       place.tensor_shape.to_string()));
    }
    std::vector<float> got(gradient.floats(), gradient.floats() + gradient.shape().element_count());
    if (is_interleaved && place.has_head_rows) {
      got = deinterleave_rows(got, gradient.shape(), model.spec.head_width);
    }
    // Relative to the whole tensor: the gradient of GPT-2's keys' biases, which is a part of one, is nothing but
    // rounding.
    const std::vector<float> whole = copy_floats(reference, name);
    const std::vector<float> want = weight_part(whole, place, gradient.shape());
    double worst = 0;
    for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, difference(got[i], want[i]));
    const double largest = largest_magnitude(whole);
    if (largest > 0) worst /= largest;
    ++result.compared;
    if (worst >= result.worst_rel_diff) {
      result.worst_rel_diff = worst;
      result.worst_name = place.tensor;
    }
  }
  for (const TensorEntry& entry : expected.entries()) {
    if (entry.name.starts_with(kGradientPrefix) && !known.contains(entry.name))
      fail_reference(entry.name, "the model has no such weight");
  }
  result.passed = result.worst_rel_diff <= tolerance;
  return result;
}

// Row b's token t is followed by its token t + 1; the last has no target.
TrainingBatch training_batch(const Reference& reference) {
  TrainingBatch batch;
  batch.tokens = reference.ids;
  batch.offsets.push_back(0);
  for (int64_t row = 0; row < reference.row_count; ++row) {
    const std::span<const int32_t> ids = reference.row_ids(row);
    batch.targets.insert(batch.targets.end(), ids.begin() + 1, ids.end());
    batch.targets.push_back(kIgnoredTarget);
    batch.offsets.push_back(static_cast<int64_t>(batch.tokens.size()) / reference.row_count * (row + 1));
  }
  return batch;
}

bool depends_on_length(const Graph& graph) {
  return std::any_of(graph.ropes.begin(), graph.ropes.end(),
                     [](const RopeParameters& rope) { return !rope.long_inverse_frequencies.empty() || rope.growth; });
}

bool has_gradients(const TensorSource& expected) {
  return std::any_of(expected.entries().begin(), expected.entries().end(),
                     [](const TensorEntry& entry) { return entry.name.starts_with(kGradientPrefix); });
}

void check_backward(Executor& executor, const std::shared_ptr<const Model>& model, const Reference& reference,
                    const TensorSource& expected, double tolerance, VerifyReport& report) {
  DifferentiableModel differentiable(executor, model);
  differentiable.forward(training_batch(reference));
  const double loss = differentiable.backward();
  if (reference.loss) {
    const double wanted = *reference.loss;
    report.loss = {loss, wanted, std::abs(loss - wanted) / std::max(std::abs(wanted), 1e-12)};
  }
  if (has_gradients(expected)) {
    report.gradients = compare_gradients(*model, differentiable.gradients(), expected, tolerance);
  }
}

}  // namespace

double VerifyReport::max_abs_diff() const {
  double largest = 0;
  for (const LogitsComparison& way : logits) largest = std::max(largest, way.max_abs_diff);
  return largest;
}

double VerifyReport::max_rel_diff() const {
  double largest = 0;
  for (const LogitsComparison& way : logits) largest = std::max(largest, way.max_rel_diff);
  return largest;
}

double VerifyReport::kl() const {
  double largest = 0;
  for (const LogitsComparison& way : logits) largest = std::max(largest, way.kl);
  return largest;
}

VerifyReport verify_model(Executor& executor, const std::shared_ptr<const Model>& model, const TensorSource& expected,
                          const VerifyOptions& options) {
  const Reference reference = read_reference(expected, model->spec);
  const int64_t longest = std::max<int64_t>(reference.token_count, static_cast<int64_t>(reference.greedy.size()));
  if (longest > model->spec.context_length) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the reference has sequences of {} tokens; the model was made for {}", longest,
                            model->spec.context_length));
  }

  VerifyReport report;
  DecoderOptions decoder_options;
  decoder_options.activations = options.activations;
  decoder_options.kv_type = options.kv_type;
  decoder_options.page_count = ChunkedRun::page_count(longest);
  decoder_options.context_length = reference.token_count;
  {
    Decoder decoder(executor, model, decoder_options);
    report.logits.push_back(compare_logits(decoder, reference, "whole", reference.token_count, options.tolerance));
    report.logits.push_back(compare_logits(decoder, reference, "chunks of 7", 7, options.tolerance));
    report.logits.push_back(compare_logits(decoder, reference, "token by token", 1, options.tolerance));
    if (!reference.greedy.empty() && !depends_on_length(model->graph)) {
      report.greedy = compare_greedy(decoder, reference, options.tolerance);
    }
  }
  if (!reference.greedy.empty() && !report.greedy) {
    decoder_options.context_length = static_cast<int64_t>(reference.greedy.size());
    Decoder decoder(executor, model, decoder_options);
    report.greedy = compare_greedy(decoder, reference, options.tolerance);
  }
  if (reference.loss || has_gradients(expected)) {
    check_backward(executor, model, reference, expected, options.tolerance, report);
  }

  report.passed = report.max_rel_diff() <= options.tolerance && (!report.greedy || report.greedy->passed) &&
                  (!report.loss || report.loss->rel_diff <= options.tolerance) &&
                  (!report.gradients || report.gradients->passed);
  return report;
}

}  // namespace pelton
