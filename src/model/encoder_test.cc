// Encoders against tests/golden/encoder (make_encoders.py there): hidden states, gradients, scores; from folders and
// from GGUF files with the names that llama.cpp's converter writes.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "io/error_matchers.h"
#include "io/gguf_test_writer.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/differentiable.h"
#include "model/model.h"
#include "model/tokenizer_source.h"

namespace pelton {
namespace {

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(kGoldenDir) / "encoder" / name; }

std::shared_ptr<const Model> load(const std::string& name) {
  return load_hugging_face_model(golden(name), read_hf_folder(golden(name)).config);
}

struct Expected {
  explicit Expected(const std::string& name) : file(SafetensorsFile::open(golden(name) / "expected.safetensors")) {}
  std::vector<int64_t> integers(std::string_view name) const {
    const Tensor tensor = file->find(name).value();
    const auto* values = reinterpret_cast<const int64_t*>(tensor.data());
    return {values, values + tensor.shape().element_count()};
  }
  std::vector<int32_t> narrow(std::string_view name) const {
    const std::vector<int64_t> wide = integers(name);
    return {wide.begin(), wide.end()};
  }
  std::vector<float> floats(std::string_view name) const {
    const Tensor tensor = file->find(name).value();
    return {tensor.floats(), tensor.floats() + tensor.shape().element_count()};
  }
  std::shared_ptr<const SafetensorsFile> file;
};

// The largest difference by the largest magnitude.
double relative_difference(std::span<const float> got, std::span<const float> expected) {
  EXPECT_EQ(got.size(), expected.size());
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    difference = std::max(difference, std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])));
  }
  return difference / largest;
}

// All sequences of the golden file; `wanted`: all rows, or the first of each.
enum class Wanted : uint8_t { kAllRows, kFirstRows };
StepBatch batch_of(const Expected& expected, Wanted wanted) {
  StepBatch batch;
  batch.tokens = expected.narrow("input_ids");
  const std::vector<int64_t> offsets = expected.integers("offsets");
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    batch.sequences.push_back({offsets[i], offsets[i + 1] - offsets[i], 0, {}});
    if (wanted == Wanted::kFirstRows) batch.logit_rows.push_back(static_cast<int32_t>(offsets[i]));
  }
  for (int32_t row = 0; wanted == Wanted::kAllRows && row < static_cast<int32_t>(batch.tokens.size()); ++row) {
    batch.logit_rows.push_back(row);
  }
  return batch;
}

// Of some hundred sums of 48 to 64 products each, in float32.
constexpr double kTolerance = 2e-5;

class GoldenEncoder : public testing::TestWithParam<std::string> {
 protected:
  Executor executor{2};
  const Expected expected{GetParam()};
  const std::shared_ptr<const Model> model = load(GetParam());
};

TEST_P(GoldenEncoder, HiddenStatesOfABatchOfSeveralLengths) {
  for (const bool fuses : {true, false}) {
    Decoder decoder(executor, model, {.activations = ActivationType::kF32, .fuses = fuses});
    const StepBatch batch = batch_of(expected, Wanted::kAllRows);
    EXPECT_LE(relative_difference(decoder.step_hidden(batch), expected.floats("hidden")), kTolerance);
    EXPECT_LE(relative_difference(decoder.step(batch), expected.floats("hidden")), kTolerance) << "no output matrix";
  }
}

TEST_P(GoldenEncoder, ASequenceDoesNotSeeItsNeighbours) {
  Decoder decoder(executor, model, {.activations = ActivationType::kF32});
  const StepBatch all = batch_of(expected, Wanted::kAllRows);
  const std::span<const float> together_view = decoder.step_hidden(all);
  const std::vector<float> together(together_view.begin(), together_view.end());
  const int64_t width = model->spec.width;
  for (const AttentionSequence& sequence : all.sequences) {
    StepBatch one;
    one.tokens.assign(all.tokens.begin() + sequence.row_begin,
                      all.tokens.begin() + sequence.row_begin + sequence.row_count);
    one.sequences = {{0, sequence.row_count, 0, {}}};
    for (int32_t row = 0; row < sequence.row_count; ++row) one.logit_rows.push_back(row);
    const std::span<const float> alone = decoder.step_hidden(one);
    EXPECT_EQ(std::vector<float>(alone.begin(), alone.end()),
              std::vector<float>(together.begin() + sequence.row_begin * width,
                                 together.begin() + (sequence.row_begin + sequence.row_count) * width));
  }
}

TEST_P(GoldenEncoder, GradientsAreAutograds) {
  DifferentiableModel differentiable(executor, model);
  differentiable.forward({.tokens = expected.narrow("input_ids"),
                          .offsets = expected.integers("offsets"),
                          .targets = expected.narrow("targets")});
  EXPECT_NEAR(differentiable.backward(), static_cast<double>(expected.floats("loss")[0]), 1e-5);
  const WeightPlaces places = weight_places(model->graph, model->architecture->weight_names, model->naming);
  const std::string_view prefix = model->architecture->hugging_face_prefix;
  std::set<std::string> compared;
  for (const auto& [name, gradient] : differentiable.gradients()) {
    const WeightPlace& place = places.at(name);
    // The files of a bare model have no prefix.
    const std::string tensor = "grad." + place.tensor.substr(place.tensor.starts_with(prefix) ? prefix.size() : 0);
    const std::vector<float> whole = expected.floats(tensor);
    const int64_t columns = gradient.shape().rank() == 1 ? 1 : gradient.shape()[1];
    const auto first = static_cast<size_t>(place.first_row * columns);
    const auto count = static_cast<size_t>(gradient.shape().element_count());
    const double difference = relative_difference({gradient.floats(), count}, std::span(whole).subspan(first, count));
    // That of a bias of keys is zero: a softmax does not see what all scores of a row share.
    if (!name.ends_with("attention.key.bias")) {
      EXPECT_LE(difference, 10 * kTolerance) << name;
    }
    compared.insert(tensor);
  }
  size_t expected_count = 0;
  for (const TensorEntry& entry : expected.file->entries()) expected_count += entry.name.starts_with("grad.") ? 1 : 0;
  EXPECT_EQ(compared.size(), expected_count);
}

// In the names and with the metadata of GGUF.
std::string write_gguf(const Model& model, const std::string& architecture) {
  const ModelSpec& spec = model.spec;
  const auto key = [&](std::string_view name) { return architecture + "." + std::string(name); };
  const auto u32 = [](int64_t value) { return static_cast<uint32_t>(value); };
  GgufTestWriter writer;
  writer.string("general.architecture", architecture)
      .u32(key("block_count"), u32(spec.layer_count))
      .u32(key("context_length"), u32(spec.context_length))
      .u32(key("embedding_length"), u32(spec.width))
      .u32(key("feed_forward_length"), u32(spec.feed_forward_width))
      .u32(key("attention.head_count"), u32(spec.query_head_count))
      .f32(key("attention.layer_norm_epsilon"), spec.norm_epsilon);
  if (spec.window) {
    writer.u32(key("attention.sliding_window"), u32(2 * (*spec.window - 1)))
        .u32(key("attention.sliding_window_pattern"), 3)
        .f32(key("rope.freq_base"), 160000)
        .f32(key("rope.freq_base_swa"), 10000);
  }
  std::map<std::string, std::map<int64_t, std::string>> weights_of_tensor;
  const WeightPlaces places = weight_places(model.graph, model.architecture->weight_names, WeightNaming::kGguf);
  for (const auto& [weight, place] : places) weights_of_tensor[place.tensor][place.first_row] = weight;
  for (const auto& [tensor, weights] : weights_of_tensor) {
    if (tensor == "position_embd.weight") {  // llama.cpp's converter leaves out the rows that no position has
      const Tensor table = model.weights.decoded("position");
      writer.tensor(tensor, table.rows(spec.first_position_row, spec.context_length));
      continue;
    }
    Tensor whole = Tensor::f32(places.at(weights.begin()->second).tensor_shape);
    float* target = whole.mutable_floats();
    for (const auto& [row, weight] : weights) {
      const Tensor part = model.weights.decoded(weight);
      target = std::copy_n(part.floats(), part.shape().element_count(), target);
    }
    writer.tensor(tensor, whole);
  }
  return writer.bytes();
}

// The model's weights are views into the file's bytes, which live as long as it does. RoBERTa goes by BERT's name
// there.
std::shared_ptr<const Model> through_gguf(const Model& model) {
  struct Kept {
    std::string bytes;
    std::shared_ptr<const Model> model;
  };
  const auto kept = std::make_shared<Kept>();
  const auto names = model.architecture->gguf_names;
  kept->bytes = write_gguf(model, names.empty() ? "bert" : std::string(names.front()));
  kept->model = load_gguf_model(*GgufFile::parse(std::as_bytes(std::span(kept->bytes)), "test.gguf"));
  return {kept, kept->model.get()};
}

TEST_P(GoldenEncoder, AGgufFileIsTheSameModel) {
  const std::shared_ptr<const Model> from_gguf = through_gguf(*model);
  Decoder decoder(executor, from_gguf, {.activations = ActivationType::kF32});
  EXPECT_LE(relative_difference(decoder.step_hidden(batch_of(expected, Wanted::kAllRows)), expected.floats("hidden")),
            kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Folders, GoldenEncoder, testing::Values("bert", "modernbert", "roberta"));

class GoldenReranker : public testing::TestWithParam<std::string> {};

// The reference is the `tokenizers` package.
TEST_P(GoldenReranker, PairsAreEncodedAsTheReferenceDoes) {
  const Expected expected(GetParam());
  const std::vector<int32_t> ids = expected.narrow("input_ids"), types = expected.narrow("token_types");
  const json::value texts = parse_json(read_file(golden("texts.json"), 1 << 20), "texts.json");
  const std::shared_ptr<const Tokenizer> tokenizer = load_folder_tokenizer(golden(GetParam()));
  std::vector<int32_t> got_ids, got_types;
  for (const json::value& pair : texts.at("pairs").as_array()) {
    const TokenPair encoded = tokenizer->encode_pair(pair.at(0).as_string(), pair.at(1).as_string());
    for (const TokenId token : encoded.tokens) got_ids.push_back(index_of(token));
    got_types.insert(got_types.end(), encoded.types.begin(), encoded.types.end());
  }
  EXPECT_EQ(got_ids, ids);
  EXPECT_EQ(got_types, types);
}

TEST_P(GoldenReranker, ScoresOfPairs) {
  Executor executor(2);
  const Expected expected(GetParam());
  StepBatch batch = batch_of(expected, Wanted::kFirstRows);
  batch.token_types = expected.narrow("token_types");
  std::shared_ptr<const Model> model = load(GetParam());
  EXPECT_EQ(model->spec.label_count, 1);
  {
    Decoder decoder(executor, model, {.activations = ActivationType::kF32});
    EXPECT_LE(relative_difference(decoder.step(batch), expected.floats("scores")), kTolerance);
  }
  if (GetParam() != "modernbert-reranker") {
    model = through_gguf(*model);
    Decoder decoder(executor, model, {.activations = ActivationType::kF32});
    EXPECT_LE(relative_difference(decoder.step(batch), expected.floats("scores")), kTolerance);
    if (model->spec.token_type_count == 1) return;
    batch.token_types.clear();
    EXPECT_GT(relative_difference(decoder.step(batch), expected.floats("scores")), 100 * kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, GoldenReranker,
                         testing::Values("bert-reranker", "modernbert-reranker", "roberta-reranker"));

// --- What the configuration says

ModelSpec spec_of(const std::string& folder, const std::function<void(json::object& config)>& change) {
  json::object config = read_hf_folder(golden(folder)).config;
  change(config);
  const Architecture& architecture = architecture_from_hugging_face(config.at("model_type").as_string());
  return architecture.spec_from_hugging_face(config);
}

TEST(EncoderSpec, ModernBertHasTwoBasesAndSymmetricWindows) {
  const ModelSpec spec = load("modernbert")->spec;
  EXPECT_EQ(spec.local_layers, (std::vector<bool>{false, true, true, false, true}));
  EXPECT_FALSE(attention_shape(spec, 0).is_causal);
  EXPECT_EQ(attention_shape(spec, 0).window, std::nullopt);
  EXPECT_EQ(attention_shape(spec, 1).window, 5) << "4 on each side, and itself";
  ASSERT_TRUE(spec.local_rope);
  EXPECT_FLOAT_EQ(spec.rope.inverse_frequencies[1], std::pow(160000.0f, -1.0f / 6));
  EXPECT_FLOAT_EQ(spec.local_rope->inverse_frequencies[1], std::pow(10000.0f, -1.0f / 6));
}

TEST(EncoderSpec, ModernBertsNewSpellingIsTheSame) {
  const ModelSpec spec = spec_of("modernbert", [](json::object& config) {
    for (const char* key : {"global_rope_theta", "local_rope_theta", "global_attn_every_n_layers"}) config.erase(key);
    config["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 160000.0}}},
                                 {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}}};
    config["layer_types"] = {"full_attention", "sliding_attention", "sliding_attention", "full_attention",
                             "sliding_attention"};
  });
  EXPECT_EQ(spec, load("modernbert")->spec);
}

TEST(EncoderSpec, WhatIsNotUnderstoodIsRefused) {
  const auto refuses = [](const std::string& folder, const char* key, const json::value& value) {
    EXPECT_THROW(spec_of(folder, [&](json::object& config) { config[key] = value; }), Error) << key;
  };
  refuses("bert", "hidden_act", "relu");
  refuses("bert", "position_embedding_type", "relative_key");
  refuses("bert", "is_decoder", true);
  refuses("roberta", "pad_token_id", 65);
  refuses("modernbert", "hidden_activation", "silu");
  refuses("modernbert", "norm_bias", true);
  refuses("modernbert-reranker", "classifier_pooling", "mean");
}

TEST(EncoderSpec, ACausalBertIsRefused) {
  GgufTestWriter writer;
  writer.string("general.architecture", "bert")
      .u32("bert.block_count", 1)
      .u32("bert.context_length", 8)
      .u32("bert.embedding_length", 32)
      .u32("bert.feed_forward_length", 32)
      .u32("bert.attention.head_count", 4)
      .boolean("bert.attention.causal", true)
      .tensor("token_embd.weight", Tensor::f32({10, 32}));
  const std::string bytes = writer.bytes();
  EXPECT_THROW(load_gguf_model(*GgufFile::parse(std::as_bytes(std::span(bytes)), "test.gguf")), Error);
}

}  // namespace
}  // namespace pelton
