#include "model/convert.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/gguf.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/bundle.h"
#include "model/config_writer.h"
#include "model/model.h"
#include "model/tokenizer_source.h"
#include "model/verify.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path golden(const std::string& name) { return fs::path(kGoldenDir) / "arch" / name; }

ConvertReport convert(const fs::path& source, const fs::path& destination, const std::string& type = "",
                      int thread_count = 2) {
  Executor executor(thread_count);
  ConvertOptions options;
  options.source = source;
  options.destination = destination;
  options.type = type;
  return convert_model(executor, options);
}

std::string contents(const fs::path& path) { return read_file(path, uint64_t{1} << 30); }

std::string text_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.size_bytes())};
}

// Norms that files hold less 1 lose what the sum with 1 rounds off.
bool is_same_norm(const Tensor& a, const Tensor& b) {
  for (int64_t i = 0; i < a.shape().element_count(); ++i) {
    if (std::abs(a.floats()[i] - b.floats()[i]) > 0x1p-23f) return false;
  }
  return true;
}

void expect_same_tensors(const TensorSource& a, const TensorSource& b, bool rounds_norms = false) {
  EXPECT_EQ(a.entries().size(), b.entries().size());
  for (const TensorEntry& entry : a.entries()) {
    const auto other = b.find(entry.name);
    ASSERT_TRUE(other) << entry.name;
    ASSERT_EQ(other->type(), entry.type) << entry.name;
    ASSERT_EQ(other->shape(), entry.shape) << entry.name;
    const Tensor own = *a.find(entry.name);
    const bool is_rounded = rounds_norms && entry.name.ends_with("norm.weight");
    EXPECT_TRUE(is_rounded ? is_same_norm(own, *other) : text_of(own) == text_of(*other)) << entry.name;
  }
}

bool is_gemma(const std::string& name) { return name.starts_with("gemma"); }

class GoldenConversion : public testing::TestWithParam<std::string> {};

// What transformers computed with the folder, the GGUF file computes, and the folder made of that: logits, loss, every
// gradient. The tensors come back bit for bit.
TEST_P(GoldenConversion, ComputesTheSameThereAndBack) {
  const TestFolder work;
  const fs::path gguf = work.path() / "model.gguf";
  const ConvertReport there = convert(golden(GetParam()), gguf);
  EXPECT_EQ(there.source_format, "Hugging Face folder");
  EXPECT_EQ(there.destination_format, "GGUF 3");
  convert(gguf, work.path() / "folder");

  const auto expected = SafetensorsFile::open(golden(GetParam()) / "expected.safetensors");
  for (const fs::path& result : {gguf, work.path() / "folder"}) {
    Executor executor(2);
    const VerifyReport report = verify_model(executor, load_bundle(result.string())->model, *expected, {});
    EXPECT_TRUE(report.passed) << result;
    EXPECT_LE(report.max_rel_diff(), 1e-3) << result;
    EXPECT_GT(report.gradients->compared, 20) << result;
  }
  expect_same_tensors(*open_safetensors_folder(golden(GetParam())), *open_safetensors_folder(work.path() / "folder"),
                      is_gemma(GetParam()));
  // And there again: the same bytes but for the name, which is the folder's.
  fs::rename(work.path() / "folder", work.path() / GetParam());
  convert(work.path() / GetParam(), work.path() / "again.gguf");
  EXPECT_EQ(contents(work.path() / "again.gguf"), contents(gguf));
}

std::string test_name(const testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Llama, GoldenConversion,
                         testing::Values("llama", "llama-tied-mqa", "llama-linear", "llama-yarn", "llama3-rope"),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Relatives, GoldenConversion,
                         testing::Values("mistral-window", "qwen2", "qwen3", "olmo2", "phi3", "phi3-longrope",
                                         "granite", "mixtral", "qwen3-moe"),
                         test_name);
INSTANTIATE_TEST_SUITE_P(Others, GoldenConversion,
                         testing::Values("gemma", "gemma2", "gemma3", "gpt2", "starcoder2", "gpt-neox", "cohere",
                                         "cohere-qk-norm", "glm4"),
                         test_name);

// Experts that lie by turns in folders: there and not back. The second one's are in MXFP4 in both files.
TEST(Convert, GptOssComputesTheSameFromAGgufFile) {
  const TestFolder work;
  for (const char* name : {"arch/gpt-oss", "prequantised/mxfp4"}) {
    const fs::path folder = fs::path(kGoldenDir) / name;
    const fs::path gguf = work.path() / "model.gguf";
    convert(folder, gguf);
    Executor executor(2);
    const VerifyReport report = verify_model(executor, load_bundle(gguf.string())->model,
                                             *SafetensorsFile::open(folder / "expected.safetensors"), {});
    EXPECT_TRUE(report.passed) << name;
    EXPECT_LE(report.max_rel_diff(), 1e-3) << name;
    fs::remove(gguf);
  }
  convert(golden("gpt-oss"), work.path() / "model.gguf");
  expect_error([&] { convert(work.path() / "model.gguf", work.path() / "folder"); }, ErrorCode::kUnsupported,
               {"turned experts"});
}

// A copy of a golden folder with other values in its config.json.
fs::path golden_with(const TestFolder& work, const std::string& name, const json::object& changes) {
  const fs::path folder = work.path() / (name + "-changed");
  fs::create_directory(folder);
  fs::copy_file(golden(name) / "model.safetensors", folder / "model.safetensors");
  json::object config = read_hf_folder(golden(name)).config;
  for (const auto& [key, value] : changes) config[key] = value;
  replace_file(folder / "config.json", json::serialize(config));
  return folder;
}

void expect_comes_back(const TestFolder& work, const fs::path& folder) {
  convert(folder, work.path() / "m.gguf");
  convert(work.path() / "m.gguf", work.path() / "back");
  expect_same_tensors(*open_safetensors_folder(folder), *open_safetensors_folder(work.path() / "back"),
                      is_gemma(folder.filename().string()));
  const auto spec = [](const fs::path& path) { return load_bundle(path.string())->model->spec; };
  EXPECT_TRUE(is_same_model(spec(folder), spec(work.path() / "m.gguf")));
  EXPECT_TRUE(is_same_model(spec(folder), spec(work.path() / "back")));
}

// GGUF has SmolLM 3's rule for unrotated layers, and no list.
TEST(Convert, SmolLmThreeIsWrittenWhereItsLayersFollowTheRule) {
  const TestFolder work;
  expect_comes_back(work, golden_with(work, "smollm3", {{"no_rope_layers", {1, 1, 1, 0}}}));
  expect_error([&] { convert(golden("smollm3"), work.path() / "other.gguf"); }, ErrorCode::kUnsupported,
               {"smollm3", "GGUF"});
  EXPECT_FALSE(fs::exists(work.path() / "other.gguf"));
}

TEST(Convert, WindowsThatDoNotFollowTheRuleAreListed) {
  const TestFolder work;
  expect_comes_back(
      work, golden_with(work, "gemma2", {{"layer_types", {"full_attention", "full_attention", "sliding_attention"}}}));
}

TEST(Convert, LocalLayersMayHaveAnotherBaseOfTheirRope) {
  const TestFolder work;
  const json::object rope = {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}},
                             {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 20000.0}}}};
  expect_comes_back(work, golden_with(work, "gemma3", {{"rope_parameters", rope}}));
}

TEST(Convert, ExactGeluIsRefusedWhereGgufCannotSayIt) {
  const TestFolder work;
  expect_error([&] { convert(golden("gpt-neox-exact"), work.path() / "m.gguf"); }, ErrorCode::kUnsupported,
               {"GELU", "tanh"});
}

// GGUF files do not say the scale of Gemma's scores.
TEST(Convert, WhatGgufCannotSayIsRefused) {
  const TestFolder work;
  expect_error(
      [&] {
        convert(golden_with(work, "gemma3", {{"query_pre_attn_scalar", 17}}), work.path() / "m.gguf");
      },
      ErrorCode::kUnsupported, {"gemma3"});
  EXPECT_FALSE(fs::exists(work.path() / "m.gguf"));
}

TEST(Convert, RowsOfQueriesAndKeysChangeTheirOrder) {
  const TestFolder work;
  convert(golden("llama"), work.path() / "m.gguf");
  const auto file = GgufFile::open(work.path() / "m.gguf");
  const auto folder = open_safetensors_folder(golden("llama"));
  const std::string hugging_face = text_of(*folder->find("model.layers.1.self_attn.k_proj.weight"));
  const Tensor keys = *file->find("blk.1.attn_k.weight");
  EXPECT_NE(text_of(keys), hugging_face);
  const size_t row_bytes = 64 * sizeof(float);
  EXPECT_EQ(text_of(keys).substr(0, row_bytes), hugging_face.substr(0, row_bytes));
  EXPECT_EQ(text_of(keys).substr(row_bytes, row_bytes), hugging_face.substr(8 * row_bytes, row_bytes));  // i + K/2
  EXPECT_EQ(text_of(*file->find("blk.1.attn_v.weight")),
            text_of(*folder->find("model.layers.1.self_attn.v_proj.weight")));
}

TEST(Convert, MetadataHaveTheTypesThatLlamaCppWants) {
  const TestFolder work;
  convert(golden("llama-yarn"), work.path() / "m.gguf", "q8_0");
  const auto file = GgufFile::open(work.path() / "m.gguf");
  const auto type_of = [&](std::string_view key) -> int {
    for (const GgufEncodedPair& pair : file->encoded_metadata()) {
      if (pair.key == key) return static_cast<int>(pair.value[0]);
    }
    return -1;
  };
  for (const char* key : {"llama.block_count", "llama.context_length", "llama.embedding_length", "llama.vocab_size",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv",
                          "llama.rope.dimension_count", "general.file_type", "general.quantization_version",
                          "llama.rope.scaling.original_context_length"}) {
    EXPECT_EQ(type_of(key), static_cast<int>(GgufValueType::kU32)) << key;
  }
  for (const char* key :
       {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base", "llama.rope.scaling.factor"}) {
    EXPECT_EQ(type_of(key), static_cast<int>(GgufValueType::kF32)) << key;
  }
  EXPECT_EQ(file->string("llama.rope.scaling.type"), "yarn");
  EXPECT_EQ(file->integer("general.file_type"), 7);
  EXPECT_EQ(file->string("general.name"), "llama-yarn");
}

TEST(Convert, EveryTypeLoads) {
  const TestFolder work;
  for (const TypeMix& mix : type_mixes()) {
    const fs::path gguf = work.path() / (std::string(mix.name) + ".gguf");
    const ConvertReport report = convert(golden("llama"), gguf, std::string(mix.name));
    EXPECT_EQ(load_bundle(gguf.string())->model->spec.layer_count, 3) << mix.name;
    const auto file = GgufFile::open(gguf);
    EXPECT_EQ(file->integer("general.file_type"), mix.gguf_file_type);
    EXPECT_EQ(file->find("blk.0.attn_norm.weight")->type(), ElementType::kF32);
    // Rows of 64 and 96 values hold no blocks of 256.
    const bool is_super_block = info(mix.base).block_elements == 256;
    EXPECT_EQ(file->find("blk.0.attn_q.weight")->type() == mix.base, !is_super_block) << mix.name;
    EXPECT_EQ(report.fallbacks.empty(), mix.base == ElementType::kF32 || mix.base == ElementType::kF16 ||
                                            mix.base == ElementType::kBF16 || mix.base == ElementType::kQ8_0)
        << mix.name;
    int64_t tensors = 0;
    for (const ConvertedType& use : report.types) tensors += use.tensor_count;
    EXPECT_EQ(tensors, report.tensor_count);
  }
}

TEST(Convert, ThreadsDoNotChangeTheBytes) {
  const TestFolder work;
  for (const int thread_count : {1, 2, 3}) {
    convert(golden("llama"), work.path() / fmt::format("{}.gguf", thread_count), "q4_k_m", thread_count);
  }
  EXPECT_EQ(contents(work.path() / "1.gguf"), contents(work.path() / "2.gguf"));
  EXPECT_EQ(contents(work.path() / "1.gguf"), contents(work.path() / "3.gguf"));
}

TEST(Convert, RequantisesAndKeepsMetadata) {
  const TestFolder work;
  convert(golden("llama3-rope"), work.path() / "a.gguf", "q8_0");
  const ConvertReport report = convert(work.path() / "a.gguf", work.path() / "b.gguf", "q4_0");
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_THAT(report.notes[0], HasSubstr("quantised already"));
  EXPECT_LT(report.destination_bytes, report.source_bytes);
  const auto a = GgufFile::open(work.path() / "a.gguf");
  const auto b = GgufFile::open(work.path() / "b.gguf");
  for (const auto& [key, value] : a->metadata()) {
    if (key == "general.file_type") continue;
    EXPECT_EQ(b->metadata().at(key), value) << key;
  }
  EXPECT_EQ(b->integer("general.file_type"), 2);
  EXPECT_EQ(b->find("rope_freqs.weight")->type(), ElementType::kF32);
  EXPECT_EQ(b->find("blk.0.ffn_up.weight")->type(), ElementType::kQ4_0);
  // Without a type it is a copy, byte for byte.
  convert(work.path() / "b.gguf", work.path() / "c.gguf");
  EXPECT_EQ(contents(work.path() / "c.gguf"), contents(work.path() / "b.gguf"));
}

TEST(Convert, AFolderMayTakeAnotherType) {
  const TestFolder work;
  convert(golden("llama"), work.path() / "half/", "bf16");
  const auto half = open_safetensors_folder(work.path() / "half");
  EXPECT_EQ(half->find("model.embed_tokens.weight")->type(), ElementType::kBF16);
  EXPECT_EQ(half->find("model.norm.weight")->type(), ElementType::kF32);
  const json::object config = read_hf_folder(work.path() / "half").config;
  EXPECT_EQ(config.at("dtype"), "bfloat16");
  EXPECT_EQ(load_bundle((work.path() / "half").string())->model->spec.layer_count, 3);
  // From GGUF the same values.
  convert(golden("llama"), work.path() / "m.gguf");
  convert(work.path() / "m.gguf", work.path() / "other", "bf16");
  expect_same_tensors(*half, *open_safetensors_folder(work.path() / "other"));
  expect_error([&] { convert(golden("llama"), work.path() / "q", "q8_0"); }, ErrorCode::kInvalidArgument,
               {"folder", "q8_0", "bf16"});
}

TEST(Convert, QuantisedWeightsComeOutExactlyAsTheyDecode) {
  const TestFolder work;
  convert(golden("llama"), work.path() / "m.gguf", "q4_0");
  const ConvertReport report = convert(work.path() / "m.gguf", work.path() / "folder");
  ASSERT_EQ(report.notes.size(), 2u);  // f32, and no vocabulary
  const auto model = load_gguf_model(*GgufFile::open(work.path() / "m.gguf"));
  const auto folder = open_safetensors_folder(work.path() / "folder");
  EXPECT_EQ(text_of(*folder->find("model.layers.2.mlp.up_proj.weight")),
            text_of(model->weights.decoded("layers.2.mlp.up")));
}

// --- a model with a vocabulary

constexpr const char* kTemplate = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}";

// One layer of random weights with the tokenizer of tests/golden/text/smollm.json, and 3 rows of the embedding to
// spare.
void write_talking_model(const fs::path& folder) {
  fs::create_directories(folder);
  const std::string path = std::string(kGoldenDir) + "/text/smollm.json";
  const json::object golden_tokenizer = parse_json(contents(path), path).as_object();
  replace_file(folder / "tokenizer.json", json::serialize(golden_tokenizer.at("tokenizer")));
  constexpr int64_t kVocabulary = 484, kWidth = 32, kFeedForward = 64;
  const json::object config = {{"model_type", "llama"},
                               {"vocab_size", kVocabulary},
                               {"hidden_size", kWidth},
                               {"num_hidden_layers", 1},
                               {"num_attention_heads", 2},
                               {"num_key_value_heads", 1},
                               {"intermediate_size", kFeedForward},
                               {"rms_norm_eps", 1e-5},
                               {"tie_word_embeddings", true},
                               {"max_position_embeddings", 64},
                               {"hidden_act", "silu"},
                               {"eos_token_id", 1}};
  replace_file(folder / "config.json", json::serialize(config));
  replace_file(folder / "generation_config.json", R"({"eos_token_id": [1, 480], "bos_token_id": 0})");
  const json::object tokenizer_config = {
      {"bos_token", "<|im_start|>"}, {"eos_token", {{"content", "<|im_end|>"}}}, {"chat_template", kTemplate}};
  replace_file(folder / "tokenizer_config.json", json::serialize(tokenizer_config));
  Rng rng(11);
  std::vector<NamedTensor> tensors;
  const auto add = [&](const char* name, Shape shape) {
    Tensor tensor = Tensor::f32(shape);
    for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = rng.next_symmetric();
    tensors.push_back({name, std::move(tensor)});
  };
  add("model.embed_tokens.weight", {kVocabulary, kWidth});
  add("model.layers.0.input_layernorm.weight", {kWidth});
  add("model.layers.0.self_attn.q_proj.weight", {kWidth, kWidth});
  add("model.layers.0.self_attn.k_proj.weight", {kWidth / 2, kWidth});
  add("model.layers.0.self_attn.v_proj.weight", {kWidth / 2, kWidth});
  add("model.layers.0.self_attn.o_proj.weight", {kWidth, kWidth});
  add("model.layers.0.post_attention_layernorm.weight", {kWidth});
  add("model.layers.0.mlp.gate_proj.weight", {kFeedForward, kWidth});
  add("model.layers.0.mlp.up_proj.weight", {kFeedForward, kWidth});
  add("model.layers.0.mlp.down_proj.weight", {kWidth, kFeedForward});
  add("model.norm.weight", {kWidth});
  write_safetensors(folder / "model.safetensors", tensors);
}

// As Llama 2's first folders: ids are SentencePiece's, in the file too.
TEST(Convert, SentencePiecesOwnFileBecomesAVocabulary) {
  const TestFolder work;
  const fs::path source = work.path() / "pieces";
  write_talking_model(source);
  fs::remove(source / "tokenizer.json");
  replace_file(source / "tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})");
  const std::string path = std::string(kGoldenDir) + "/text/sentencepiece_models.json";
  const json::value golden = parse_json(contents(path), path).at("bpe-plain");
  replace_file(source / "tokenizer.model", from_base64(golden.at("model").as_string()).value());
  convert(source, work.path() / "m.gguf");
  const auto bundle = load_bundle((work.path() / "m.gguf").string());
  ASSERT_NE(bundle->tokenizer, nullptr);
  for (const json::value& test : golden.at("cases").as_array()) {
    const std::string text(test.at("text").as_string());
    if (text.find("<unk>") != std::string::npos) continue;  // SentencePiece never sees control tokens in a text
    std::vector<int32_t> ids;
    for (const TokenId token : bundle->tokenizer->encode(text, {})) ids.push_back(index_of(token));
    EXPECT_EQ(ids, json::value_to<std::vector<int32_t>>(test.at("ids"))) << text;
  }
  replace_file(source / "tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_EQ(load_folder_tokenizer(source)->encode("a", {}).front(), TokenId{1}) << "<s>, as of this class";
}

TEST(Convert, TokenizerTemplateAndEndTokensComeAlong) {
  const TestFolder work;
  const fs::path source = work.path() / "talks";
  write_talking_model(source);
  convert(source, work.path() / "m.gguf", "q8_0");
  convert(work.path() / "m.gguf", work.path() / "back");
  const auto file = GgufFile::open(work.path() / "m.gguf");
  EXPECT_EQ(file->string("tokenizer.ggml.pre"), "smollm");
  EXPECT_EQ(file->strings("tokenizer.ggml.tokens")->size(), 484u);
  EXPECT_EQ(file->integer("tokenizer.ggml.eos_token_id"), 1);
  EXPECT_EQ(file->integer("tokenizer.ggml.eot_token_id"), 480);

  const auto original = load_bundle(source.string());
  for (const fs::path& result : {work.path() / "m.gguf", work.path() / "back"}) {
    const auto bundle = load_bundle(result.string());
    for (const char* text : {"Hello <|im_start|>world 123!", "  two\n\nlines <tool>", ""}) {
      EXPECT_EQ(bundle->tokenizer->encode(text, {}), original->tokenizer->encode(text, {})) << result;
    }
    EXPECT_EQ(bundle->end_tokens, original->end_tokens) << result;
    ASSERT_NE(bundle->chat_template, nullptr) << result;
  }
  const HfFolder back = read_hf_folder(work.path() / "back");
  EXPECT_EQ(back.chat_template, kTemplate);
  EXPECT_EQ(back.config.at("bos_token_id"), 0);
  EXPECT_EQ(back.config.at("architectures").at(0), "LlamaForCausalLM");
}

// --- what must not happen

class ConvertRefuses : public testing::Test {
 protected:
  void refuses(const fs::path& source, const fs::path& destination, const ConvertOptions& base, ErrorCode code,
               const std::vector<std::string>& parts) {
    ConvertOptions options = base;
    options.source = source;
    options.destination = destination;
    Executor executor(2);
    expect_error([&] { convert_model(executor, options); }, code, parts);
  }
  void refuses(const fs::path& source, const fs::path& destination, ErrorCode code,
               const std::vector<std::string>& parts) {
    refuses(source, destination, {}, code, parts);
  }

  TestFolder work_;
};

TEST_F(ConvertRefuses, ToReplaceUnasked) {
  const fs::path file = work_.write("m.gguf", "old");
  refuses(golden("llama"), file, ErrorCode::kInvalidArgument, {"m.gguf", "--force"});
  EXPECT_EQ(contents(file), "old");
  ConvertOptions force;
  force.replaces = true;
  fs::create_directory(work_.path() / "d.gguf");
  refuses(golden("llama"), work_.path() / "d.gguf", force, ErrorCode::kInvalidArgument, {"folder"});
  fs::create_directory(work_.path() / "notes");
  replace_file(work_.path() / "notes/diary.txt", "dear");
  refuses(golden("llama"), work_.path() / "notes", ErrorCode::kInvalidArgument, {"notes", "--force"});
  refuses(golden("llama"), work_.path() / "notes", force, ErrorCode::kInvalidArgument, {"notes", "config.json"});
  replace_file(work_.path() / "notes/config.json", "{}");
  fs::create_directory(work_.path() / "notes/pictures");
  refuses(golden("llama"), work_.path() / "notes", force, ErrorCode::kInvalidArgument, {"pictures"});
  refuses(golden("llama"), golden("llama"), force, ErrorCode::kInvalidArgument, {"llama"});
  refuses(golden("llama"), work_.path() / "x.safetensors", ErrorCode::kInvalidArgument, {"x.safetensors"});
  refuses(golden("llama"), work_.path() / "missing/m.gguf", ErrorCode::kIo, {"missing"});
  refuses(work_.path() / "none", work_.path() / "m2.gguf", ErrorCode::kNotFound, {"none"});
  EXPECT_TRUE(fs::exists(work_.path() / "notes/diary.txt"));
}

TEST_F(ConvertRefuses, WithForceOneModelReplacesAnother) {
  Executor executor(2);
  ConvertOptions options;
  options.source = golden("llama");
  options.replaces = true;
  options.destination = work_.write("m.gguf", "old");
  convert_model(executor, options);
  EXPECT_EQ(GgufFile::open(work_.path() / "m.gguf")->version(), 3u);

  fs::create_directory(work_.path() / "folder");
  replace_file(work_.path() / "folder/config.json", "{}");
  replace_file(work_.path() / "folder/model-00001-of-00002.safetensors", "old");
  options.destination = work_.path() / "folder";
  convert_model(executor, options);
  EXPECT_FALSE(fs::exists(work_.path() / "folder/model-00001-of-00002.safetensors"));
  expect_same_tensors(*open_safetensors_folder(golden("llama")), *open_safetensors_folder(work_.path() / "folder"));
}

TEST_F(ConvertRefuses, ToGoOnWhenCancelled) {
  for (const char* name : {"m.gguf", "folder"}) {
    ConvertOptions options;
    int asked = 0;
    options.is_cancelled = [&] { return ++asked == 5; };
    refuses(golden("llama"), work_.path() / name, options, ErrorCode::kCancelled, {});
    EXPECT_EQ(asked, 5);
    EXPECT_EQ(work_.file_count(), 0u) << name;
  }
}

TEST_F(ConvertRefuses, WhatATypeCannotHold) {
  const fs::path source = work_.path() / "talks";
  write_talking_model(source);
  std::string weights = contents(source / "model.safetensors");
  const float infinity = INFINITY;
  std::memcpy(weights.data() + weights.size() - 33 * sizeof(float), &infinity, sizeof infinity);  // of down_proj
  replace_file(source / "model.safetensors", weights);
  ConvertOptions options;
  options.type = "q8_0";
  refuses(source, work_.path() / "m.gguf", options, ErrorCode::kInvalidArgument, {"blk.0.ffn_down.weight", "inf"});
  EXPECT_EQ(work_.file_count(), 1u);
}

TEST_F(ConvertRefuses, OnePartOfASplitModel) {
  GgufMetadata metadata;
  metadata.add("general.architecture", "llama");
  metadata.add("split.count", uint16_t{2});
  GgufWriter(work_.path() / "part.gguf", metadata, {}).commit();
  refuses(work_.path() / "part.gguf", work_.path() / "m.gguf", ErrorCode::kCorruptFile, {"part.gguf", "00002"});
}

// Cuts `source` in two, the first with no tensors, as gguf-split does when it is told to.
void split_model(const fs::path& source, const fs::path& folder) {
  const auto whole = GgufFile::open(source);
  for (uint16_t number = 0; number < 3; ++number) {
    GgufMetadata metadata;
    if (number == 0) {
      for (const GgufEncodedPair& pair : whole->encoded_metadata()) metadata.add_encoded(pair.key, pair.value);
    }
    metadata.add("split.no", number);
    metadata.add("split.count", uint16_t{3});
    metadata.add("split.tensors.count", static_cast<int32_t>(whole->entries().size()));
    std::vector<TensorEntry> tensors;
    for (size_t i = 0; i < whole->entries().size(); ++i) {
      if (i % 2 + 1 == number) tensors.push_back(whole->entries()[i]);
    }
    GgufWriter writer(folder / fmt::format("m-{:05}-of-00003.gguf", number + 1), metadata, tensors);
    for (const TensorEntry& entry : tensors) {
      const Tensor tensor = *whole->find(entry.name);
      writer.append({tensor.data(), static_cast<size_t>(tensor.size_bytes())});
    }
    writer.commit();
  }
}

TEST(Convert, PartsOfASplitModelAreOneModel) {
  const TestFolder work;
  convert(golden("llama"), work.path() / "whole.gguf");
  split_model(work.path() / "whole.gguf", work.path());
  const fs::path second = work.path() / "m-00002-of-00003.gguf";
  EXPECT_EQ(load_bundle(second.string())->name, "m");
  const ConvertReport report = convert(second, work.path() / "joined.gguf", "q8_0");
  EXPECT_EQ(report.source_format, "GGUF 3 in 3 parts");
  const auto joined = GgufFile::open(work.path() / "joined.gguf");
  EXPECT_EQ(joined->part_count(), 1);
  EXPECT_EQ(joined->integer("split.count"), std::nullopt);
  convert(work.path() / "whole.gguf", work.path() / "again.gguf", "q8_0");
  expect_same_tensors(*GgufFile::open(work.path() / "again.gguf"), *joined);
}

TEST(Convert, ReportsItsProgress) {
  const TestFolder work;
  Executor executor(1);
  ConvertOptions options;
  options.source = golden("llama");
  options.destination = work.path() / "m.gguf";
  int64_t last = 0;
  int64_t total = 0;
  options.on_progress = [&](const ConvertProgress& progress) {
    EXPECT_GT(progress.bytes_done, last);
    EXPECT_FALSE(progress.tensor.empty());
    last = progress.bytes_done;
    total = progress.bytes_total;
  };
  const ConvertReport report = convert_model(executor, options);
  EXPECT_EQ(last, total);
  EXPECT_EQ(last, report.destination_bytes);
}

}  // namespace
}  // namespace pelton
