// Against the embeddings of tests/golden/encoder (make_encoders.py there).
#include "data/text_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "io/safetensors.h"

namespace pelton::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::filesystem::path golden(std::string_view name) { return std::filesystem::path(kGoldenDir) / "encoder" / name; }

TextEmbedder::Options options_of(std::string_view name) {
  return {.model = golden(name).string(), .pooling = std::nullopt, .activations = ActivationType::kF32};
}

std::vector<std::string> golden_texts() {
  const json::value file = parse_json(read_file(golden("texts.json"), 1 << 20), "texts.json");
  std::vector<std::string> texts;
  for (const json::value& text : file.at("texts").as_array()) texts.emplace_back(text.as_string());
  return texts;
}

std::vector<float> embed(const TextEmbedder& embedder, const std::vector<std::string>& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return embedder.embed(views);
}

std::string repeated(std::string_view words, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += words;
  return text;
}

TEST(TextEmbedder, GivesTheReferencesVectorsAndNothingForBlankTexts) {
  for (const std::string_view name : {"bert", "roberta", "modernbert"}) {
    const TextEmbedder embedder(options_of(name));
    std::vector<std::string> texts = golden_texts();
    texts.emplace_back(" \n\t");
    const std::vector<float> got = embed(embedder, texts);
    const auto file = SafetensorsFile::open(golden(name) / "expected.safetensors");
    const Tensor expected = file->find("embeddings").value();
    const auto width = static_cast<size_t>(embedder.width());
    ASSERT_EQ(got.size(), texts.size() * width);
    for (size_t text = 0; text < texts.size(); ++text) {
      for (size_t d = 0; d < width; ++d) {
        const bool is_blank = texts[text].find_first_not_of(" \n\t") == std::string::npos;
        const float wanted = is_blank ? 0 : expected.floats()[text * width + d];
        ASSERT_NEAR(got[text * width + d], wanted, 1e-5) << name << ", " << texts[text];
      }
    }
  }
}

TEST(TextEmbedder, OfLongTextsTheFirstTokensCountAndTheClosingOne) {
  TextEmbedder::Options options = options_of("bert");
  const TextEmbedder whole(options);  // 60 tokens, as its makers say: [CLS], 58 words, [SEP]
  EXPECT_EQ(embed(whole, {repeated("red blue ", 29)}), embed(whole, {repeated("red blue ", 5000)}));
  options.token_count_max = 8;
  const TextEmbedder short_one(options);
  EXPECT_EQ(embed(short_one, {repeated("red blue ", 200)}), embed(whole, {"red blue red blue red blue"}));
}

TEST(TextEmbedder, TheSameBitsWhateverTextsComeTogetherAndFromWhichThread) {
  TextEmbedder::Options options = options_of("bert");
  options.activations = ActivationType::kInt8;
  const TextEmbedder embedder(options);
  const std::vector<std::string> few = {"the cat sat", "a red bird, a blue fish", "we play"};
  const std::vector<float> expected = embed(embedder, few);
  std::vector<std::string> many;
  for (int i = 0; i < 200; ++i) many.insert(many.end(), few.begin(), few.end());
  std::vector<std::vector<float>> results(3);
  {
    std::vector<std::jthread> threads;
    for (std::vector<float>& result : results) threads.emplace_back([&] { result = embed(embedder, many); });
  }
  for (const std::vector<float>& result : results) {
    ASSERT_EQ(result.size(), 200 * expected.size());
    for (size_t i = 0; i < result.size(); ++i) ASSERT_EQ(result[i], expected[i % expected.size()]) << i;
  }
}

TEST(TextEmbedder, PoolsAsItIsTold) {
  TextEmbedder::Options options = options_of("bert");
  const std::vector<std::string> texts = {"the cat sat on the mat."};
  const std::vector<float> mean = embed(TextEmbedder(options), texts);
  options.pooling = Pooling::kMean;
  EXPECT_EQ(embed(TextEmbedder(options), texts), mean);
  options.pooling = Pooling::kCls;
  EXPECT_NE(embed(TextEmbedder(options), texts), mean);
}

std::string refusal_of(const std::string& model) {
  const json::value given = json::object{{"model", model}};
  StepOptions options(given.get_object(), "steps[3].cluster");
  try {
    make_text_embedder(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "";
}

TEST(TextEmbedder, WhatMakesNoVectorsIsRefusedByStepAndOption) {
  EXPECT_THAT(refusal_of("no-such-model"), AllOf(StartsWith("steps[3].cluster.model: "), HasSubstr("no-such-model")));
  EXPECT_THAT(refusal_of(golden("bert-reranker").string()), HasSubstr("gives scores"));
  EXPECT_THAT(refusal_of(std::string(kGoldenDir) + "/arch/llama"), HasSubstr("has no tokenizer"));
  EXPECT_THAT(refusal_of(""), StartsWith("steps[3].cluster.model: "));
}

}  // namespace
}  // namespace pelton::data
