// WordPiece against tests/golden/text/wordpiece.json (make_wordpiece.py there).
#include "text/wordpiece.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

std::shared_ptr<const Tokenizer> from_vocab_txt(std::string_view vocab_txt, const std::optional<json::object>& config) {
  return Tokenizer::from_json(json::serialize(wordpiece_tokenizer_json(read_wordpiece_file(vocab_txt, config))));
}

class WordPieceGolden : public testing::Test {
 protected:
  std::shared_ptr<const Tokenizer> from_json() const {
    return Tokenizer::from_json(json::serialize(golden.at("tokenizer")));
  }
  std::shared_ptr<const Tokenizer> from_file(const std::optional<json::object>& config = std::nullopt) const {
    return from_vocab_txt(golden.at("vocab_txt").as_string(), config);
  }
  const json::object golden = read_golden("wordpiece");
};

TEST_F(WordPieceGolden, IdsAreTheReferencesFromAllThreeFormats) {
  const auto from_gguf = Tokenizer::from_gguf(golden_vocabulary(golden.at("gguf").as_object()));
  for (const auto& tokenizer : {from_json(), from_file(), from_gguf}) {
    EXPECT_EQ(tokenizer->kind(), "WordPiece");
    for (const json::value& value : golden.at("cases").as_array()) {
      const json::object& test = value.as_object();
      const std::string text(test.at("text").as_string());
      SCOPED_TRACE(text);
      EXPECT_EQ(ids_of(tokenizer->encode(text, {})), json::value_to<std::vector<int32_t>>(test.at("ids")));
      EXPECT_EQ(ids_of(tokenizer->encode(text, {.parse_special = false})),
                json::value_to<std::vector<int32_t>>(test.at("plain_ids")));
    }
  }
}

TEST_F(WordPieceGolden, TokensBecomeWordsAgain) {
  const auto tokenizer = from_json();
  const std::vector<TokenId> tokens = tokenizer->encode("Playing, the cat", {});
  EXPECT_EQ(tokenizer->decode(tokens, true), "playing , the cat");
  EXPECT_EQ(tokenizer->decode(tokens, false), "[CLS] playing , the cat[SEP]");
}

TEST_F(WordPieceGolden, TheFolderSaysHowTextIsNormalised) {
  const auto ids = [&](const json::object& config, const char* text) {
    return ids_of(from_file(config)->encode(text, {.add_special = false}));
  };
  const std::vector<int32_t> cat = ids({}, "cat");
  EXPECT_EQ(ids({}, "CAT"), cat);
  EXPECT_NE(ids({{"do_lower_case", false}}, "CAT"), cat);
  EXPECT_EQ(ids({}, "c\u00e1t"), cat);
  EXPECT_NE(ids({{"strip_accents", false}}, "c\u00e1t"), cat);
  EXPECT_EQ(ids({}, "\u4e2d\u56fd").size(), 2u);
  EXPECT_EQ(ids({{"tokenize_chinese_chars", false}}, "\u4e2d\u56fd").size(), 1u) << "one unknown word";
}

TEST_F(WordPieceGolden, OldGgufFilesCallAllTokensNormal) {
  GgufVocabulary vocabulary = golden_vocabulary(golden.at("gguf").as_object());
  vocabulary.token_types.clear();
  const auto tokenizer = Tokenizer::from_gguf(vocabulary);
  const json::object& test = golden.at("cases").as_array()[2].as_object();
  EXPECT_EQ(ids_of(tokenizer->encode(std::string(test.at("text").as_string()), {})),
            json::value_to<std::vector<int32_t>>(test.at("ids")));
}

TEST(WordPiece, ABrokenVocabularyIsRefused) {
  EXPECT_THROW(from_vocab_txt("[UNK]\n[CLS]\nthe\n", std::nullopt), Error) << "no [SEP]";
  EXPECT_THROW(from_vocab_txt("[UNK]\n[CLS]\n[SEP]\nthe\nthe\n", std::nullopt), Error);
  EXPECT_THROW(from_vocab_txt("", std::nullopt), Error);
  EXPECT_NO_THROW(from_vocab_txt("[UNK]\r\n[CLS]\r\n[SEP]\r\nthe", std::nullopt));
}

}  // namespace
}  // namespace pelton
