#include "text/gguf_vocabulary_from_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "text/gguf_tokenizer_json.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

struct Source {
  std::string text;  // tokenizer.json
  GgufVocabulary expected;
  GgufVocabularyOptions options;
};

GgufVocabularyOptions options_of(const GgufVocabulary& vocabulary, int64_t padding_count = 0) {
  return {.token_count = static_cast<int64_t>(vocabulary.tokens.size()) + padding_count,
          .bos = vocabulary.bos,
          .eos = vocabulary.eos,
          .unknown = vocabulary.unknown,
          .padding = vocabulary.padding};
}

Source golden_source(const std::string& name) {
  const json::object golden = read_golden(name);
  Source source{.text = "", .expected = golden_vocabulary(golden.at("gguf").as_object()), .options = {}};
  source.text = golden.contains("tokenizer") ? json::serialize(golden.at("tokenizer"))
                                             : json::serialize(gguf_tokenizer_json(source.expected));
  source.options = options_of(source.expected);
  return source;
}

ConvertedVocabulary convert(const std::string& text, const GgufVocabularyOptions& options) {
  return gguf_vocabulary_from_json(text, *Tokenizer::from_json(text), options);
}

void expect_refused(const std::string& text, const GgufVocabularyOptions& options, ErrorCode code,
                    const std::string& part) {
  try {
    convert(text, options);
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_THAT(error.message(), testing::HasSubstr(part));
  }
}

class ByteLevelVocabulary : public testing::TestWithParam<std::string> {};

// The golden files hold each tokenizer both ways, written by the reference libraries' converter rules.
TEST_P(ByteLevelVocabulary, IsTheGoldenOne) {
  const Source source = golden_source(GetParam());
  const ConvertedVocabulary converted = convert(source.text, source.options);
  const GgufVocabulary& got = converted.vocabulary;
  EXPECT_EQ(got.model, "gpt2");
  EXPECT_EQ(got.pre, source.expected.pre);
  EXPECT_EQ(got.tokens, source.expected.tokens);
  EXPECT_EQ(got.token_types, source.expected.token_types);
  EXPECT_EQ(got.merges, source.expected.merges);
  EXPECT_TRUE(got.scores.empty());
  EXPECT_EQ(got.bos, source.expected.bos);
  EXPECT_EQ(got.eos, source.expected.eos);
  EXPECT_TRUE(converted.notes.empty());
}
INSTANTIATE_TEST_SUITE_P(PreTokenizers, ByteLevelVocabulary, testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"));

// Scores made from merges rank as the original ones did: the ids that sentencepiece itself gave come out.
TEST(SentencePieceVocabulary, EncodesAsTheOriginal) {
  const Source source = golden_source("sentencepiece");
  const GgufVocabulary got = convert(source.text, source.options).vocabulary;
  EXPECT_EQ(got.model, "llama");
  EXPECT_EQ(got.tokens, source.expected.tokens);
  EXPECT_EQ(got.token_types, source.expected.token_types);
  EXPECT_EQ(got.adds_space_prefix, true);
  EXPECT_EQ(got.adds_bos, true);
  EXPECT_EQ(got.adds_eos, false);
  ASSERT_EQ(got.scores.size(), got.tokens.size());
  EXPECT_NE(got.scores, source.expected.scores);  // the originals are lost in a tokenizer.json

  const auto tokenizer = Tokenizer::from_gguf(got);
  const json::object golden = read_golden("sentencepiece");
  size_t compared = 0;
  for (const json::value& item : golden.at("cases").as_array()) {
    const std::string text(item.at("text").as_string());
    EXPECT_EQ(ids_of(tokenizer->encode(text, {})), json::value_to<std::vector<int32_t>>(item.at("ids"))) << text;
    ++compared;
  }
  EXPECT_GT(compared, 20u);
}

TEST(GgufVocabularyFromJson, FillsUpToTheEmbedding) {
  const Source source = golden_source("smollm");
  const GgufVocabulary got = convert(source.text, options_of(source.expected, 3)).vocabulary;
  const size_t count = source.expected.tokens.size();
  ASSERT_EQ(got.tokens.size(), count + 3);
  EXPECT_EQ(got.tokens[count], "[PAD" + std::to_string(count) + "]");
  constexpr int64_t kUnused = 5;
  EXPECT_EQ(got.token_types[count + 2], kUnused);
  GgufVocabularyOptions too_few = source.options;
  too_few.token_count = 100;
  too_few.bos = too_few.eos = std::nullopt;
  expect_refused(source.text, too_few, ErrorCode::kInvalidArgument, "embedding 100");
}

TEST(GgufVocabularyFromJson, SaysWhatGgufCannotSay) {
  Source source = golden_source("smollm");
  json::object tokenizer = parse_json(source.text, "").as_object();
  tokenizer.at("added_tokens").as_array().back().as_object()["rstrip"] = true;
  const ConvertedVocabulary converted = convert(json::serialize(tokenizer), source.options);
  ASSERT_EQ(converted.notes.size(), 1u);
  EXPECT_THAT(converted.notes[0], testing::HasSubstr("<tool>"));
}

TEST(GgufVocabularyFromJson, RefusesWhatHasNoNameThere) {
  const Source source = golden_source("smollm");
  const auto changed = [&](const char* key, json::value value) {
    json::object tokenizer = parse_json(source.text, "").as_object();
    tokenizer[key] = std::move(value);
    return json::serialize(tokenizer);
  };
  const json::object unknown_cut = {
      {"type", "Sequence"},
      {"pretokenizers",
       {json::object{
            {"type", "Split"}, {"pattern", {{"Regex", "[a-m]+"}}}, {"behavior", "Isolated"}, {"invert", false}},
        json::object{
            {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}}}}};
  expect_refused(changed("pre_tokenizer", unknown_cut), source.options, ErrorCode::kUnsupported, "pre-tokenizer");
  expect_refused(changed("normalizer", {{"type", "Lowercase"}}), source.options, ErrorCode::kUnsupported, "normalises");
  // An end token in front of every text.
  const std::string end = source.expected.tokens[1];
  const json::object begins_with_end = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", end}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", {{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "B"}, {"type_id", 0}}}}}},
      {"special_tokens", {{end, {{"id", end}, {"ids", {1}}, {"tokens", {end}}}}}}};
  GgufVocabularyOptions options = source.options;
  options.bos = 0;
  options.eos = 1;
  expect_refused(changed("post_processor", begins_with_end), options, ErrorCode::kUnsupported, "post-processor");
  options.eos = 100000;
  expect_refused(source.text, options, ErrorCode::kInvalidArgument, "eos");
}

}  // namespace
}  // namespace pelton
