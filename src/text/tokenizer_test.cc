#include "text/tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

using testing::HasSubstr;

std::string error_of(ErrorCode code, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    return error.message();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class ByteLevelGolden : public testing::TestWithParam<const char*> {};

TEST_P(ByteLevelGolden, IdsAndTextAreTheReferencesFromBothFormats) {
  const json::object golden = read_golden(GetParam());
  const auto from_json = Tokenizer::from_json(json::serialize(golden.at("tokenizer")));
  const auto from_gguf = Tokenizer::from_gguf(golden_vocabulary(golden.at("gguf").as_object()));
  for (const auto& tokenizer : {from_json, from_gguf}) {
    EXPECT_EQ(tokenizer->kind(), "byte-level BPE");
    for (const json::value& value : golden.at("cases").as_array()) {
      const json::object& test = value.as_object();
      const std::string text(test.at("text").as_string());
      SCOPED_TRACE(text);
      const std::vector<TokenId> tokens = tokenizer->encode(text, {});
      EXPECT_EQ(ids_of(tokens), json::value_to<std::vector<int32_t>>(test.at("ids")));
      EXPECT_EQ(ids_of(tokenizer->encode(text, {.parse_special = false})),
                json::value_to<std::vector<int32_t>>(test.at("plain_ids")));
      EXPECT_EQ(tokenizer->encode_with(text, tokenizer->find_added_tokens(text)), tokens);
      EXPECT_EQ(tokenizer->decode(tokens, false), std::string(test.at("decoded").as_string()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PreTokenizers, ByteLevelGolden, testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2"));

TEST(Tokenizer, SentencePieceIdsAndTextAreTheReferences) {
  const json::object golden = read_golden("sentencepiece");
  const auto tokenizer = Tokenizer::from_gguf(golden_vocabulary(golden.at("gguf").as_object()));
  EXPECT_EQ(tokenizer->kind(), "SentencePiece BPE");
  EXPECT_TRUE(tokenizer->strips_first_space());
  for (const json::value& value : golden.at("cases").as_array()) {
    const json::object& test = value.as_object();
    const std::string text(test.at("text").as_string());
    SCOPED_TRACE(text);
    const std::vector<TokenId> tokens = tokenizer->encode(text, {});
    EXPECT_EQ(ids_of(tokens), json::value_to<std::vector<int32_t>>(test.at("ids")));
    EXPECT_EQ(tokenizer->decode(tokens, true), std::string(test.at("decoded").as_string()));
  }
}

TEST(Tokenizer, AddsBosAndEosAsTheVocabularySays) {
  GgufVocabulary vocabulary = golden_vocabulary(read_golden("llama-bpe").at("gguf").as_object());
  const auto ends = [&](const EncodeOptions& options) {
    const std::vector<TokenId> tokens = Tokenizer::from_gguf(vocabulary)->encode("x", options);
    return std::pair(index_of(tokens.front()), index_of(tokens.back()));
  };
  const int32_t x = index_of(*Tokenizer::from_gguf(vocabulary)->find("x"));
  vocabulary.adds_bos.reset();  // the family's reference adds it
  EXPECT_EQ(ends({}), std::pair(0, x));
  EXPECT_EQ(ends({.parse_special = false}), std::pair(0, x));
  EXPECT_EQ(ends({.add_special = false}), std::pair(x, x));
  vocabulary.adds_eos = true;
  EXPECT_EQ(ends({}), std::pair(0, 1));
  vocabulary.adds_bos = false;
  EXPECT_EQ(ends({}), std::pair(x, 1));
  vocabulary.eos.reset();
  EXPECT_THAT(error_of(ErrorCode::kCorruptFile, [&] { ends({}); }), HasSubstr("EOS"));
}

TEST(Tokenizer, TellsTokensApart) {
  const auto tokenizer = golden_tokenizer("gpt-2");
  const auto start = tokenizer->find("<|im_start|>");
  const auto tool = tokenizer->find("<tool>");
  ASSERT_TRUE(start && tool);
  EXPECT_TRUE(tokenizer->is_special(*start));
  EXPECT_FALSE(tokenizer->is_special(*tool));
  EXPECT_EQ(tokenizer->added_tokens().size(), 3u);
  EXPECT_EQ(tokenizer->bos(), static_cast<TokenId>(0));
  EXPECT_EQ(tokenizer->find("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer->token_bytes(static_cast<TokenId>(-1)), "");
  EXPECT_EQ(tokenizer->token_bytes(static_cast<TokenId>(tokenizer->vocabulary_size())), "");
  EXPECT_FALSE(tokenizer->is_special(static_cast<TokenId>(-1)));
  EXPECT_EQ(tokenizer->decode(std::vector{*start, *tool}, true), "<tool>");
}

TEST(Tokenizer, RefusesInvalidUtf8ByItsPlace) {
  const auto tokenizer = golden_tokenizer("gpt-2");
  for (const bool parse_special : {true, false}) {
    const auto encode = [&](std::string_view text) { tokenizer->encode(text, {.parse_special = parse_special}); };
    EXPECT_THAT(error_of(ErrorCode::kInvalidArgument, [&] { encode("abc\xFF"); }), HasSubstr("byte 3"));
    EXPECT_THAT(error_of(ErrorCode::kInvalidArgument, [&] { encode("\xC3"); }), HasSubstr("byte 0"));
    EXPECT_THAT(error_of(ErrorCode::kInvalidArgument, [&] { encode("x\xED\xA0\x80"); }), HasSubstr("byte 1"));
  }
}

TEST(Tokenizer, RefusesUnknownKindsByName) {
  GgufVocabulary vocabulary = golden_vocabulary(read_golden("gpt-2").at("gguf").as_object());
  const auto load = [&] { Tokenizer::from_gguf(vocabulary); };
  vocabulary.pre = "default";
  EXPECT_THAT(error_of(ErrorCode::kUnsupported, load), HasSubstr("\"default\""));
  vocabulary.pre = "";
  EXPECT_THAT(error_of(ErrorCode::kUnsupported, load), HasSubstr("is missing"));
  vocabulary.pre = "gpt-2";
  for (const int64_t type : {int64_t{0}, int64_t{7}, int64_t{-1}, int64_t{1} << 33}) {
    GgufVocabulary odd = vocabulary;
    odd.token_types[5] = type;
    EXPECT_THAT(error_of(ErrorCode::kUnsupported, [&] { Tokenizer::from_gguf(odd); }),
                HasSubstr(fmt::format("token 5 has the type {};", type)));
  }
  vocabulary.model = "rwkv";
  EXPECT_THAT(error_of(ErrorCode::kUnsupported, load), HasSubstr("\"rwkv\""));
  const auto load_json = [](std::string_view text) { return [text] { Tokenizer::from_json(text); }; };
  EXPECT_THAT(error_of(ErrorCode::kUnsupported, load_json(R"({"model": {"type": "WordLevel", "vocab": {}}})")),
              HasSubstr("WordLevel"));
  EXPECT_THAT(error_of(ErrorCode::kUnsupported,
                       load_json(R"({"model": {"type": "BPE", "vocab": {}}, "decoder": {"type": "CTC"}})")),
              HasSubstr("CTC"));
}

TEST(Tokenizer, RefusesVocabulariesThatContradictThemselves) {
  const GgufVocabulary good = golden_vocabulary(read_golden("gpt-2").at("gguf").as_object());
  const auto message_with = [&](const std::function<void(GgufVocabulary&)>& spoil) {
    GgufVocabulary vocabulary = good;
    spoil(vocabulary);
    return error_of(ErrorCode::kCorruptFile, [&] { Tokenizer::from_gguf(vocabulary); });
  };
  EXPECT_THAT(message_with([](auto& v) { v.tokens.clear(); }), HasSubstr("no tokens"));
  EXPECT_THAT(message_with([](auto& v) { v.token_types.pop_back(); }), HasSubstr("token types"));
  EXPECT_THAT(message_with([](auto& v) { v.scores = {1.0f}; }), HasSubstr("scores"));
  EXPECT_THAT(message_with([](auto& v) { v.bos = 1 << 20; }), HasSubstr("bos"));
  EXPECT_THAT(message_with([](auto& v) { v.eos = -1; }), HasSubstr("eos"));
  EXPECT_THAT(message_with([](auto& v) { v.tokens[5] = v.tokens[6]; }), HasSubstr("are the same"));
  EXPECT_THAT(message_with([](auto& v) { v.tokens[5] = "\xFF"; }), HasSubstr("token 5"));
  EXPECT_THAT(message_with([](auto& v) { v.merges.clear(); }), HasSubstr("without merges"));
  EXPECT_THAT(message_with([](auto& v) { v.merges[0] = "nospace"; }), HasSubstr("no merge"));
  EXPECT_THAT(message_with([](auto& v) { v.merges[0] = "notatoken a"; }),
              HasSubstr("the merge \"notatoken a\": no token \"notatoken\""));
  EXPECT_THAT(message_with([](auto& v) { v.merges[0] = "a notatoken"; }), HasSubstr("no token \"notatoken\""));
  EXPECT_THAT(message_with([](auto& v) { v.merges[0] = "z z"; }), HasSubstr("the merge \"z z\": no token \"zz\""));
  for (const std::string_view text :
       {"", "[]", "{", R"({"model": 3})", R"({"model": {"type": "BPE"}, "decoder": {"type": "ByteLevel"}})",
        R"({"model": {"type": "BPE", "vocab": {"a": -1}}, "decoder": {"type": "ByteLevel"}})",
        R"({"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}, "decoder": {"type": "ByteLevel"}})"}) {
    error_of(ErrorCode::kCorruptFile, [&] { Tokenizer::from_json(text); });
  }
}

// A stray space beside a token that takes white space along is the token's, and so it stays where it is tagged.
TEST(Tokenizer, StripsWhiteSpaceBesideTokens) {
  json::object tokenizer = read_golden("gpt-2").at("tokenizer").as_object();
  json::array& added = tokenizer.at("added_tokens").as_array();
  added[0].as_object()["rstrip"] = true;
  added[1].as_object()["lstrip"] = true;
  const auto stripping = Tokenizer::from_json(json::serialize(tokenizer));
  const auto plain = golden_tokenizer("gpt-2");
  const std::string text = "x  <|im_end|> y <|im_start|>\n\n z";
  const std::vector<TokenId> expected = plain->encode("x<|im_end|> y <|im_start|>z", {});
  EXPECT_EQ(stripping->encode(text, {}), expected);
  EXPECT_EQ(stripping->encode_with(text, stripping->find_added_tokens(text)), expected);
}

TEST(Tokenizer, LongTextsTakeLinearTime) {
  const auto byte_level = golden_tokenizer("llama-bpe");
  const auto sentencepiece = golden_tokenizer("sentencepiece");
  for (const auto& tokenizer : {byte_level, sentencepiece}) {
    for (const std::string& text :
         {std::string(100'000, 'a'), std::string(100'000, ' ') + "x", std::string(100'000, '<')}) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, {}), true), text);
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, {.parse_special = false}), true), text);
    }
  }
}

}  // namespace
}  // namespace pelton
