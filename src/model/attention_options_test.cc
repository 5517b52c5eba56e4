// Windows, sinks and score caps on their way from the list of layer calls to the attention: two blocks without a
// feed-forward, the first with a window, the second with sinks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/rng.h"
#include "model/decoder.h"
#include "model/differentiable.h"
#include "model/fusion.h"
#include "model/model.h"

namespace pelton {
namespace {

constexpr int64_t kVocabularySize = 20;
constexpr int64_t kTokenCount = 40;
constexpr WeightName kWeightNames[] = {{"embedding", "embedding", ""}, {"{}.query", "{}.query", ""},
                                       {"{}.key", "{}.key", ""},       {"{}.value", "{}.value", ""},
                                       {"{}.output", "{}.output", ""}, {"{}.sinks", "{}.sinks", ""}};

struct Options {
  std::optional<int64_t> window = 5;  // of block 0
  std::optional<float> score_cap = 1.5f;
  bool has_sinks = true;  // in block 1
};

Graph make_graph(const Options& options) {
  const AttentionShape shape = {
      .query_head_count = 4, .key_value_head_count = 2, .head_width = 8, .scale = 0.5f, .score_cap = options.score_cap};
  AttentionShape local = shape;
  local.window = options.window;
  GraphBuilder graph;
  ValueId x = graph.embedding("embedding", kVocabularySize, 32);
  for (const bool is_local : {true, false}) {
    graph.set_prefix(is_local ? "0." : "1.");
    const ValueId q = graph.linear(x, "query", 32);
    const ValueId k = graph.linear(x, "key", 16);
    const ValueId v = graph.linear(x, "value", 16);
    const ValueId a = graph.attention(q, k, v, "attention", is_local ? local : shape,
                                      !is_local && options.has_sinks ? "sinks" : std::string_view());
    x = graph.add(x, graph.linear(a, "output", 32), "residual");
  }
  graph.set_prefix("");
  return graph.finish(graph.linear_with(graph.select_rows(x, "select"), "logits", "embedding", kVocabularySize));
}

// Weights drawn from a seed, each from its own; those of `changes` are added to the sinks.
class DrawnWeights final : public TensorSource {
 public:
  DrawnWeights(const Graph& graph, const std::vector<float>& changes) {
    for (const WeightSpec& weight : graph.weights) {
      uint64_t seed = 0;
      for (const char letter : weight.name) seed = 31 * seed + static_cast<uint64_t>(letter);
      Rng rng(seed);
      auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(weight.shape.element_count()));
      for (float& value : *values) value = rng.next_symmetric();
      for (size_t i = 0; weight.name == "1.sinks" && i < changes.size(); ++i) (*values)[i] += changes[i];
      const auto* bytes = reinterpret_cast<const std::byte*>(values->data());
      tensors_.emplace(weight.name, Tensor(ElementType::kF32, weight.shape, bytes, values));
      entries_.push_back({weight.name, ElementType::kF32, weight.shape});
    }
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<TensorEntry> entries_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

std::shared_ptr<const Model> make_model(const Options& options, const std::vector<float>& sink_changes = {}) {
  ModelSpec spec;
  spec.vocabulary_size = kVocabularySize;
  spec.width = 32;
  spec.context_length = 64;
  Graph graph = make_graph(options);
  WeightSet weights(graph, kWeightNames, WeightNaming::kHuggingFace, DrawnWeights(graph, sink_changes));
  return std::make_shared<const Model>(
      Model{architectures()[0], WeightNaming::kHuggingFace, spec, std::move(graph), std::move(weights)});
}

std::vector<int32_t> tokens() {
  std::vector<int32_t> all(kTokenCount);
  for (int32_t i = 0; i < kTokenCount; ++i) all[static_cast<size_t>(i)] = i * i * 7 % 20;
  return all;
}

TrainingBatch training_batch() {
  TrainingBatch batch = {tokens(), {0, kTokenCount}, tokens()};
  std::rotate(batch.targets.begin(), batch.targets.begin() + 1, batch.targets.end());
  return batch;
}

// Logits of all rows: a prompt, then row by row.
std::vector<float> decoded_logits(const Options& options, ElementType kv_type, bool fuses) {
  constexpr int64_t kPromptLength = 25;
  Executor executor(2);
  Decoder decoder(executor, make_model(options),
                  {.activations = ActivationType::kF32, .kv_type = kv_type, .page_count = 3, .fuses = fuses});
  const std::vector<int32_t> pages = {2, 0, 1};
  const std::vector<int32_t> all = tokens();
  std::vector<float> logits;
  for (int64_t begin = 0, end = kPromptLength; begin < kTokenCount; begin = end++) {
    StepBatch batch;
    batch.tokens.assign(all.begin() + begin, all.begin() + end);
    batch.sequences = {{0, end - begin, begin, pages}};
    batch.logit_rows.resize(batch.tokens.size());
    std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
    const std::span<const float> rows = decoder.step(batch);
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  return logits;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

TEST(AttentionOptions, TheFusedAttentionKeepsItsSinksAmongItsParts) {
  const Graph fused = fuse(make_graph({}), {[](std::string_view) { return false; }});
  size_t reading_count = 0;
  for (const LayerCall& call : fused.calls) {
    if (!std::holds_alternative<PagedAttentionCall>(call.kind)) continue;
    const bool has_sinks = call.name == "1.attention";
    EXPECT_EQ(call.weights(), has_sinks ? std::vector<std::string>{"1.sinks"} : std::vector<std::string>{});
    EXPECT_TRUE(call.weight.empty());
    ++reading_count;
  }
  EXPECT_EQ(reading_count, 2u);
}

TEST(AttentionOptions, FusedAndPlainDecodersGiveTheSameBits) {
  for (const ElementType kv_type : kKvTypes) {
    EXPECT_EQ(decoded_logits({}, kv_type, true), decoded_logits({}, kv_type, false)) << element_type_name(kv_type);
  }
}

// Logits are sums of 32 terms of up to about 10: float's own error is below 1e-4, and each option moves them more.
TEST(AttentionOptions, ReachInferenceAndTrainingAlike) {
  Executor executor(2);
  const std::vector<float> decoded = decoded_logits({}, ElementType::kF32, true);
  DifferentiableModel trained(executor, make_model({}));
  EXPECT_LE(largest_difference(trained.forward(training_batch()), decoded), 1e-4);

  const Options others[] = {{.window = std::nullopt}, {.score_cap = std::nullopt}, {.has_sinks = false}};
  for (const Options& other : others) {
    EXPECT_GE(largest_difference(decoded_logits(other, ElementType::kF32, true), decoded), 1e-2);
    DifferentiableModel model(executor, make_model(other));
    EXPECT_GE(largest_difference(model.forward(training_batch()), decoded), 1e-2);
  }
}

// By central differences of a loss in float, of which h = 0.05 leaves about 1e-7 / 0.1 and h² = 0.25 %.
TEST(AttentionOptions, SinksGetTheirGradient) {
  Executor executor(2);
  DifferentiableModel model(executor, make_model({}));
  model.forward(training_batch());
  model.backward();
  const Tensor& gradient = model.gradients().at("1.sinks");
  double largest = 0;
  for (int64_t i = 0; i < 4; ++i) largest = std::max(largest, std::abs(static_cast<double>(gradient.floats()[i])));
  ASSERT_GT(largest, 1e-3);
  for (size_t i = 0; i < 4; ++i) {
    constexpr float kH = 0.05f;
    double losses[2];
    for (const bool is_above : {false, true}) {
      std::vector<float> changes(4, 0.0f);
      changes[i] = is_above ? kH : -kH;
      DifferentiableModel moved(executor, make_model({}, changes));
      moved.forward(training_batch());
      losses[is_above ? 1 : 0] = moved.backward();
    }
    const double expected = (losses[1] - losses[0]) / (2 * static_cast<double>(kH));
    EXPECT_NEAR(static_cast<double>(gradient.floats()[i]), expected, 0.01 * largest) << "head " << i;
  }
}

}  // namespace
}  // namespace pelton
