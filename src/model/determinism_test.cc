// A request's logits have the same bits alone and beside others, in chunks of any
// size, on any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>

#include "base/golden_dir.h"
#include "io/safetensors.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

constexpr int64_t kPromptLength = 90;
constexpr int64_t kAnswerLength = 12;
constexpr int64_t kCompanionCount = 16;
constexpr int64_t kContext = 128;
constexpr int64_t kPagesEach = kContext / KvLayerCache::kPageTokens;

// A model's weights with its matrices in other types, by turns.
class RecodedWeights final : public TensorSource {
 public:
  RecodedWeights(std::shared_ptr<const TensorSource> source, const std::vector<ElementType>& types)
      : source_(std::move(source)) {
    size_t matrix_count = 0;
    for (const TensorEntry& entry : source_->entries()) {
      const Tensor tensor = source_->find(entry.name).value();
      const int64_t count = tensor.shape().element_count();
      const ElementType type = tensor.shape().rank() == 2 ? types[matrix_count++ % types.size()] : ElementType::kF32;
      auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, count)));
      std::vector<float> values(static_cast<size_t>(count));
      std::memcpy(values.data(), tensor.data(), values.size() * sizeof(float));  // the golden models are in F32
      encode_function(type)(values.data(), bytes->data(), count);
      tensors_.emplace(entry.name, Tensor(type, tensor.shape(), bytes->data(), bytes));
      entries_.push_back({entry.name, type, tensor.shape()});
    }
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

std::shared_ptr<const Model> model_in(const std::string& name, const std::vector<ElementType>& types) {
  const std::string folder = std::string(kGoldenDir) + "/arch/" + name;
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(folder);
  const Model& golden = *bundle->model;
  const RecodedWeights source(open_safetensors_folder(folder), types);
  Graph graph = golden.architecture->lower(golden.spec);
  WeightSet weights(graph, golden.architecture->weight_names, golden.naming, source);
  return std::make_shared<const Model>(
      Model{golden.architecture, golden.naming, golden.spec, std::move(graph), std::move(weights)});
}

struct Circumstances {
  int64_t chunk = kPromptLength;  // rows of the prompt in a step
  bool has_companions = false;
  int thread_count = 1;
};

// A prompt and the likeliest tokens after it: the logits of every position.
class Conversation {
 public:
  Conversation(const std::shared_ptr<const Model>& model, DecoderOptions options, const Circumstances& circumstances)
      : circumstances_(circumstances), executor_(circumstances.thread_count) {
    options.page_count = (1 + kCompanionCount) * kPagesEach;
    decoder_ = std::make_unique<Decoder>(executor_, model, options);
    vocabulary_size_ = model->spec.vocabulary_size;
    for (int64_t i = 0; i < kPromptLength; ++i) tokens_.push_back(static_cast<int32_t>((i * 37 + 11) % 256));
    pages_.resize(static_cast<size_t>(options.page_count));
    std::iota(pages_.begin(), pages_.end(), 0);
  }

  std::vector<float> run() {
    for (int64_t position = 0; position < kPromptLength + kAnswerLength;) {
      const int64_t known = static_cast<int64_t>(tokens_.size()) - position;
      const int64_t row_count = std::min(circumstances_.chunk, known);
      step(position, row_count);
      position += row_count;
      if (position == static_cast<int64_t>(tokens_.size())) append_likeliest();
    }
    return logits_;
  }

 private:
  void step(int64_t position, int64_t row_count) {
    batch_ = {};
    if (circumstances_.has_companions) append_companions(0, kCompanionCount / 2);
    const auto first_row = static_cast<int64_t>(batch_.tokens.size());
    batch_.sequences.push_back({first_row, row_count, position, pages_of(0)});
    for (int64_t i = 0; i < row_count; ++i) {
      batch_.tokens.push_back(tokens_[static_cast<size_t>(position + i)]);
      batch_.logit_rows.push_back(static_cast<int32_t>(first_row + i));
    }
    if (circumstances_.has_companions) append_companions(kCompanionCount / 2, kCompanionCount);
    const std::span<const float> logits = decoder_->step(batch_);
    logits_.insert(logits_.end(), logits.begin(), logits.end());
    ++step_count_;
  }

  // Sequences of other lengths, some with one row and some with several; at their end they begin anew.
  void append_companions(int64_t begin, int64_t end) {
    for (int64_t companion = begin; companion < end; ++companion) {
      int64_t& position = companion_positions_[static_cast<size_t>(companion)];
      const int64_t row_count = companion % 2 == 0 ? 1 : 1 + (companion + step_count_) % 9;
      if (position + row_count > kContext) position = 0;
      batch_.sequences.push_back(
          {static_cast<int64_t>(batch_.tokens.size()), row_count, position, pages_of(1 + companion)});
      for (int64_t i = 0; i < row_count; ++i) {
        batch_.tokens.push_back(static_cast<int32_t>((companion * 31 + position + i) % 256));
      }
      position += row_count;
    }
  }

  void append_likeliest() {
    const auto last = logits_.end() - vocabulary_size_;
    tokens_.push_back(static_cast<int32_t>(std::max_element(last, logits_.end()) - last));
  }

  std::span<const int32_t> pages_of(int64_t sequence) const {
    return std::span(pages_).subspan(static_cast<size_t>(sequence * kPagesEach), static_cast<size_t>(kPagesEach));
  }

  Circumstances circumstances_;
  Executor executor_;
  std::unique_ptr<Decoder> decoder_;
  int64_t vocabulary_size_;
  std::vector<int32_t> tokens_;
  std::vector<int32_t> pages_;
  StepBatch batch_;
  std::vector<float> logits_;
  int64_t step_count_ = 0;
  std::array<int64_t, kCompanionCount> companion_positions_{};
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Types {
  const char* name;
  std::vector<ElementType> matrices;
  std::string folder = "llama";
};

class Deterministic : public testing::TestWithParam<Types> {};

TEST_P(Deterministic, TheSameBitsWhateverElseIsComputed) {
  const std::shared_ptr<const Model> model = model_in(GetParam().folder, GetParam().matrices);
  for (const ActivationType activations : {ActivationType::kF32, ActivationType::kInt8}) {
    for (const ElementType kv_type : kKvTypes) {
      const DecoderOptions options{.activations = activations, .kv_type = kv_type};
      const std::vector<float> alone = Conversation(model, options, {}).run();
      EXPECT_EQ(alone.size(), (kPromptLength + kAnswerLength) * 256u);
      for (const Circumstances& other : {
               Circumstances{.chunk = 1},
               Circumstances{.chunk = 7, .thread_count = 2},
               Circumstances{.chunk = 7, .has_companions = true},
               Circumstances{.chunk = 64, .has_companions = true, .thread_count = 2},
               Circumstances{.has_companions = true, .thread_count = 2},
           }) {
        EXPECT_TRUE(same_bits(Conversation(model, options, other).run(), alone))
            << (activations == ActivationType::kF32 ? "f32" : "int8") << ", kv " << kv_type_name(kv_type) << ", chunk "
            << other.chunk << (other.has_companions ? ", beside others, " : ", ") << other.thread_count << " threads";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Deterministic,
                         testing::Values(Types{"F32", {ElementType::kF32}}, Types{"Q8_0", {ElementType::kQ8_0}},
                                         Types{"Mixed", {ElementType::kBF16, ElementType::kQ4_1, ElementType::kF16}},
                                         Types{"ExpertsF32", {ElementType::kF32}, "mixtral"},
                                         Types{"ExpertsQ8_0", {ElementType::kQ8_0}, "mixtral"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace pelton
