#include "model/embedding_settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/gguf_test_writer.h"

namespace pelton {
namespace {

ModelSpec encoder() {
  ModelSpec spec;
  spec.width = 32;
  spec.is_encoder = true;
  return spec;
}

class SentenceTransformers : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name) << text;
  }
  void write_modules(const std::string& pooling, bool normalizes) {
    std::string modules = R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
      {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"})";
    if (normalizes) {
      modules += R"(, {"idx": 2, "name": "2", "path": "2_Normalize",
                       "type": "sentence_transformers.models.Normalize"})";
    }
    write("modules.json", modules + "]");
    write("1_Pooling/config.json", pooling);
  }
  EmbeddingSettings read(const json::object& config = {}) {
    return read_embedding_settings(folder.path(), config, encoder());
  }
  TestFolder folder;
};

TEST_F(SentenceTransformers, AFolderWithoutModulesHasTheDefault) {
  EXPECT_EQ(read().pooling, Pooling::kMean);
  EXPECT_TRUE(read().normalizes);
  EXPECT_EQ(default_embedding_settings(ModelSpec()).pooling, Pooling::kLastToken);
}

TEST_F(SentenceTransformers, PoolingIsOneFlagOrOneWord) {
  const std::pair<const char*, Pooling> cases[] = {
      {R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})", Pooling::kCls},
      {R"({"pooling_mode_mean_tokens": true, "word_embedding_dimension": 32})", Pooling::kMean},
      {R"({"pooling_mode_lasttoken": true, "include_prompt": true})", Pooling::kLastToken},
      {R"({"pooling_mode": "cls", "embedding_dimension": 32})", Pooling::kCls},
  };
  for (const auto& [config, pooling] : cases) {
    write_modules(config, false);
    EXPECT_EQ(read().pooling, pooling) << config;
    EXPECT_FALSE(read().normalizes);
  }
  write_modules(cases[0].first, true);
  EXPECT_TRUE(read().normalizes);
}

TEST_F(SentenceTransformers, WhatPeltonLacksIsRefused) {
  const auto refuses = [&](ErrorCode code, const char* word) { expect_error([&] { read(); }, code, {word}); };
  write_modules(R"({"pooling_mode_max_tokens": true})", true);
  refuses(ErrorCode::kUnsupported, "max_tokens");
  write_modules(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})", true);
  refuses(ErrorCode::kUnsupported, "2 modes");
  write_modules(R"({"pooling_mode_cls_token": true, "include_prompt": false})", true);
  refuses(ErrorCode::kUnsupported, "include_prompt");
  write_modules(R"({"pooling_mode_cls_token": true, "word_embedding_dimension": 64})", true);
  refuses(ErrorCode::kCorruptFile, "32");
  write("modules.json", R"([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])");
  refuses(ErrorCode::kUnsupported, "Dense");
  write("modules.json", R"([{"path": "../x", "type": "sentence_transformers.models.Pooling"}])");
  refuses(ErrorCode::kCorruptFile, "../x");
  write("modules.json", R"({"path": ""})");
  refuses(ErrorCode::kCorruptFile, "list");
}

TEST_F(SentenceTransformers, LengthPromptAndMatryoshka) {
  write_modules(R"({"pooling_mode_mean_tokens": true})", true);
  write("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
  write("config_sentence_transformers.json", R"({"prompts": {"doc": "doc: "}, "default_prompt_name": "doc"})");
  EXPECT_EQ(read().token_count_max, 256);
  EXPECT_EQ(read().prompt, "doc: ");
  EXPECT_FALSE(read().is_matryoshka);
  EXPECT_TRUE(read({{"is_matryoshka", true}}).is_matryoshka);
  EXPECT_EQ(read({{"matryoshka_dimensions", {8, 16}}}).matryoshka_dimensions, (std::vector<int64_t>{8, 16}));
  write("README.md", "Trained with MatryoshkaLoss.");
  EXPECT_TRUE(read().is_matryoshka);
}

TEST(Dimensions, OnlyWhatTheModelWasTrainedFor) {
  EmbeddingSettings settings;
  EXPECT_NO_THROW(check_dimensions(settings, 32, 32));
  const auto refuses = [&](int64_t dimensions, const char* word) {
    expect_error([&] { check_dimensions(settings, dimensions, 32); }, ErrorCode::kInvalidArgument, {word});
  };
  refuses(16, "Matryoshka");
  refuses(33, "33");
  settings.is_matryoshka = true;
  EXPECT_NO_THROW(check_dimensions(settings, 16, 32));
  settings.matryoshka_dimensions = {8, 24};
  EXPECT_NO_THROW(check_dimensions(settings, 24, 32));
  refuses(16, "8, 24");
}

TEST(GgufPooling, IsLlamaCppsNumber) {
  const auto read = [](std::optional<uint32_t> type) {
    GgufTestWriter writer;
    writer.string("general.architecture", "bert");
    if (type) writer.u32("bert.pooling_type", *type);
    const std::string bytes = writer.bytes();
    return read_embedding_settings(*GgufFile::parse(std::as_bytes(std::span(bytes)), "test.gguf"), encoder()).pooling;
  };
  EXPECT_EQ(read(std::nullopt), Pooling::kMean);
  EXPECT_EQ(read(0), Pooling::kMean);
  EXPECT_EQ(read(1), Pooling::kMean);
  EXPECT_EQ(read(2), Pooling::kCls);
  EXPECT_EQ(read(3), Pooling::kLastToken);
  EXPECT_EQ(read(4), Pooling::kCls);
  EXPECT_THROW(read(5), Error);
}

}  // namespace
}  // namespace pelton
