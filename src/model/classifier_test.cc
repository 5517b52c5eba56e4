#include "model/classifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "io/safetensors.h"
#include "model/arch.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/model.h"

namespace pelton {
namespace {

constexpr int64_t kFirstLabel = 7;
constexpr int64_t kLabelCount = 3;

// A language model whose head is three rows of its output matrix: its scores are the logits of these three tokens,
// which transformers computed.
class ThreeRowsAsHead final : public TensorSource {
 public:
  explicit ThreeRowsAsHead(const std::string& folder) : source_(open_safetensors_folder(folder)) {
    for (const TensorEntry& entry : source_->entries()) {
      if (entry.name != "lm_head.weight") entries_.push_back(entry);
    }
    std::optional<Tensor> output = source_->find("lm_head.weight");
    if (!output) output = source_->find("model.embed_tokens.weight");
    head_ = output.value().rows(kFirstLabel, kLabelCount);
    entries_.push_back({"score.weight", head_->type(), head_->shape()});
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    return name == "score.weight" ? head_ : source_->find(name);
  }

 private:
  std::shared_ptr<const TensorSource> source_;
  std::vector<TensorEntry> entries_;
  std::optional<Tensor> head_;
};

class Decoders : public testing::TestWithParam<const char*> {};

TEST_P(Decoders, GiveScoresOfTheLastRow) {
  const std::string folder = std::string(kGoldenDir) + "/arch/" + GetParam();
  const std::shared_ptr<const Model> base = load_bundle(folder)->model;
  json::object config = parse_json(read_file(folder + "/config.json", 1 << 20), "config.json").as_object();
  config["architectures"] = {"ThisForSequenceClassification"};
  config["num_labels"] = kLabelCount;
  config.erase("id2label");
  const ModelSpec spec = base->architecture->spec_from_hugging_face(config);
  ASSERT_EQ(spec.label_count, kLabelCount);
  const ThreeRowsAsHead source(folder);
  Graph graph = base->architecture->lower(spec);
  WeightSet weights(graph, base->architecture->weight_names, base->naming, source);
  const auto model = std::make_shared<const Model>(
      Model{base->architecture, base->naming, spec, std::move(graph), std::move(weights)});

  const auto expected = SafetensorsFile::open(folder + "/expected.safetensors");
  const Tensor ids = expected->find("input_ids").value();
  const Tensor logits = expected->find("logits").value();
  const int64_t token_count = ids.shape()[1];
  StepBatch batch;
  const auto* id = reinterpret_cast<const int64_t*>(ids.data());
  for (int64_t i = 0; i < token_count; ++i) batch.tokens.push_back(static_cast<int32_t>(id[i]));
  std::vector<int32_t> pages(static_cast<size_t>(token_count / KvLayerCache::kPageTokens + 1));
  std::iota(pages.begin(), pages.end(), 0);
  batch.sequences = {{0, token_count, 0, pages}};
  batch.logit_rows = {static_cast<int32_t>(token_count - 1)};

  Executor executor(2);
  Decoder decoder(executor, model,
                  {.activations = ActivationType::kF32,
                   .kv_type = ElementType::kF32,
                   .page_count = static_cast<int64_t>(pages.size())});
  const std::span<const float> scores = decoder.step(batch);
  ASSERT_EQ(scores.size(), static_cast<size_t>(kLabelCount));
  const float* last = logits.floats() + (token_count - 1) * spec.vocabulary_size;
  for (int64_t label = 0; label < kLabelCount; ++label) {
    EXPECT_NEAR(scores[static_cast<size_t>(label)], last[kFirstLabel + label], 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Decoders,
                         testing::Values("llama", "qwen2", "qwen3", "mistral-window", "gemma", "gemma3", "olmo2",
                                         "mixtral", "phi3", "glm4", "starcoder2"));

ModelSpec with_labels(int64_t count) {
  ModelSpec spec;
  spec.label_count = count;
  return spec;
}

TEST(ClassifierSettings, OfAModelThatIsNoneAreEmpty) {
  EXPECT_TRUE(read_classifier_settings(json::object{{"id2label", {{"0", "x"}}}}, with_labels(0)).labels.empty());
}

TEST(ClassifierSettings, TakeTheActivationThatTheFolderNames) {
  const auto activation = [](const json::object& config, int64_t label_count) {
    return read_classifier_settings(config, with_labels(label_count)).activation;
  };
  const auto named = [](const char* key, const char* function) -> json::object { return {{key, function}}; };
  constexpr const char* kOldKey = "sbert_ce_default_activation_function";
  constexpr const char* kIdentity = "torch.nn.modules.linear.Identity";
  EXPECT_EQ(activation({}, 1), ScoreActivation::kSigmoid);
  EXPECT_EQ(activation({}, 3), ScoreActivation::kSoftmax);
  EXPECT_EQ(activation({{"problem_type", "multi_label_classification"}}, 3), ScoreActivation::kSigmoid);
  EXPECT_EQ(activation(named(kOldKey, kIdentity), 1), ScoreActivation::kIdentity);
  EXPECT_EQ(activation({{"sentence_transformers", named("activation_fn", kIdentity)}}, 1), ScoreActivation::kIdentity);
  EXPECT_EQ(activation(named(kOldKey, "torch.nn.modules.activation.Sigmoid"), 3), ScoreActivation::kSigmoid);
  try {
    activation(named(kOldKey, "torch.nn.modules.activation.Tanh"), 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("Tanh"), std::string::npos);
  }
}

TEST(ClassifierSettings, NameTheLabels) {
  const json::object named{{"id2label", {{"1", "joy"}, {"0", "anger"}}}};
  EXPECT_EQ(read_classifier_settings(named, with_labels(2)).labels, (std::vector<std::string>{"anger", "joy"}));
  EXPECT_EQ(read_classifier_settings(json::object{}, with_labels(2)).labels,
            (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  const json::object with_a_gap{{"id2label", {{"0", "anger"}, {"2", "joy"}}}};
  EXPECT_THROW(read_classifier_settings(with_a_gap, with_labels(2)), Error);
}

TEST(Activate, IsTheFunctionByName) {
  std::vector<float> scores{0, -2, 90};
  activate(ScoreActivation::kIdentity, scores);
  EXPECT_EQ(scores, (std::vector<float>{0, -2, 90}));
  activate(ScoreActivation::kSigmoid, scores);
  EXPECT_FLOAT_EQ(scores[0], 0.5f);
  EXPECT_FLOAT_EQ(scores[1], 1 / (1 + std::exp(2.0f)));
  std::vector<float> large{1000, 1000 + std::log(3.0f)};
  activate(ScoreActivation::kSoftmax, large);
  EXPECT_NEAR(large[0], 0.25, 1e-4);  // log(3) beside 1000 has 3 digits less
  EXPECT_NEAR(large[1], 0.75, 1e-4);
}

}  // namespace
}  // namespace pelton
