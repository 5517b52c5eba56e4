#include "text/grammar.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "text/golden_tokenizers.h"

namespace pelton {
namespace {

// A vocabulary of all single bytes of ASCII and some longer tokens, so that a text can be cut in several ways; the last
// is the end token.
class AsciiTokenizer final : public Tokenizer {
 public:
  AsciiTokenizer() {
    for (char c = 0; static_cast<unsigned char>(c) < 128; ++c) tokens_.emplace_back(1, c);
    for (const char* text : {"true", "false", "{\"", "\":", "\"}", "ab", "abc", "12", "1234", "  ", "\xC3\xA9"}) {
      tokens_.emplace_back(text);
    }
    tokens_.emplace_back("<end>");
  }
  TokenId end() const { return TokenId{static_cast<int32_t>(tokens_.size()) - 1}; }

  // The longest token at each place.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> ids;
    while (!text.empty()) {
      size_t best = 0;
      for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
        if (text.starts_with(tokens_[i]) && tokens_[i].size() > tokens_[best].size()) best = i;
        if (text.starts_with(tokens_[i]) && !text.starts_with(tokens_[best])) best = i;
      }
      ids.push_back(TokenId{static_cast<int32_t>(best)});
      text.remove_prefix(tokens_[best].size());
    }
    return ids;
  }
  std::vector<TokenId> encode_with(std::string_view, std::span<const AddedTokenMatch>) const override { return {}; }
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view) const override { return {}; }
  std::string_view token_bytes(TokenId token) const override {
    const auto index = static_cast<size_t>(index_of(token));
    return index < tokens_.size() ? std::string_view(tokens_[index]) : std::string_view();
  }
  int32_t vocabulary_size() const override { return static_cast<int32_t>(tokens_.size()); }
  bool is_special(TokenId token) const override { return token == end(); }
  bool strips_first_space() const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::span<const AddedToken> added_tokens() const override { return {}; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return end(); }
  std::string_view kind() const override { return "ASCII"; }

 private:
  std::vector<std::string> tokens_;
};

bool is_in(const std::vector<uint32_t>& mask, TokenId token) {
  const auto id = static_cast<size_t>(index_of(token));
  return (mask[id / 32] >> (id % 32) & 1) != 0;
}

class GrammarTest : public testing::Test {
 protected:
  std::shared_ptr<const AsciiTokenizer> tokenizer_ = std::make_shared<AsciiTokenizer>();
  // Seven more logits than tokens, as models have for alignment.
  GrammarCompiler compiler_{tokenizer_, tokenizer_->vocabulary_size() + 7, {tokenizer_->end()}};

  // Whether the whole text is an answer, cut into tokens, or into bytes.
  bool accepts(const GrammarSource& source, std::string_view text, bool by_bytes = false) {
    GrammarState state(compiler_.compile(source));
    std::vector<uint32_t> mask(compiler_.mask_word_count());
    std::vector<TokenId> tokens;
    if (by_bytes) {
      for (const char c : text) tokens.push_back(TokenId{c});
    } else {
      tokens = tokenizer_->encode(text, {});
    }
    for (const TokenId token : tokens) {
      if (state.has_ended()) return false;
      state.mask(mask);
      if (!is_in(mask, token)) return false;
      state.consume(token);
    }
    state.mask(mask);
    EXPECT_TRUE(!state.has_ended() || is_in(mask, tokenizer_->end()));
    return is_in(mask, tokenizer_->end());
  }

  Error error_of(const GrammarSource& source) {
    try {
      compiler_.compile(source);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "accepted: " << source.text;
    return Error(ErrorCode::kInternal, "");
  }
};

TEST_F(GrammarTest, RegularExpressionsAcceptWhatTheStandardLibraryMatches) {
  const std::vector<std::string> expressions = {"ab*c",        "(a|b){2,3}", "[^a]+",    "a?b?c?",
                                                "(12|1234)*5", "a.c",        "(ab|abc)c"};
  const std::vector<std::string> texts = {"abc", "ac", "abbbc", "ab",        "aba",  "abab", "bcd", "",
                                          "c",   "12", "12345", "123412345", "a\nc", "abcc", "1",   "  "};
  for (const std::string& expression : expressions) {
    const std::regex oracle(expression);
    for (const std::string& text : texts) {
      for (const bool by_bytes : {false, true}) {
        EXPECT_EQ(accepts({GrammarKind::kRegex, expression}, text, by_bytes), std::regex_match(text, oracle))
            << expression << " on " << text;
      }
    }
  }
}

TEST_F(GrammarTest, AChoiceIsOneOfItsTextsWhateverCharactersTheyHave) {
  const std::vector<std::string> choices = {"yes", "no", "no, never", "a|b", "\"", "(.*)", "\n"};
  const GrammarSource source = GrammarSource::choice(choices);
  for (const std::string& text : choices) EXPECT_TRUE(accepts(source, text)) << text;
  for (const char* text : {"", "ye", "yes ", "a", "b", "(x)", "no,"}) EXPECT_FALSE(accepts(source, text)) << text;
  EXPECT_THROW(GrammarSource::choice({}), Error);
  EXPECT_THROW(GrammarSource::choice({"a", ""}), Error);
  for (const char* wrong : {"9", "[]", "[1]", "{}", "null", "[\"a\", null]"}) {
    EXPECT_THROW(accepts({GrammarKind::kChoice, wrong}, "a"), Error) << wrong;
  }
}

TEST_F(GrammarTest, ASchemaAllowsItsInstances) {
  const GrammarSource source = {GrammarKind::kJsonSchema, R"({
    "type": "object", "required": ["a"], "additionalProperties": false,
    "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 120}, "b": {"enum": ["x", true, null]}}})"};
  for (const char* text :
       {R"({"a":3})", R"({ "a" : 120, "b" : "x" })", "{\"a\":12,\n\"b\":true}", R"({"a":12,"b":null})"}) {
    EXPECT_TRUE(accepts(source, text)) << text;
    EXPECT_TRUE(accepts(source, text, true)) << text;
  }
  for (const char* text : {"{}", R"({"a":2})", R"({"a":121})", R"({"a":12,"c":1})", R"({"a":12,"b":"y"})",
                           R"({"a":"12"})", R"({"a":12)", R"({"a":12}})", "[1]", ""}) {
    EXPECT_FALSE(accepts(source, text)) << text;
  }
  for (const char* text : {"{\n    \"a\": 3\n}", "{\r\n\t\"a\": 3\r\n}"}) EXPECT_TRUE(accepts(source, text)) << text;
  for (const char* text : {"{\n\n\"a\":3}", "{   \"a\":3}", "{\"a\":3\n\n\n}"})
    EXPECT_FALSE(accepts(source, text)) << text;
  EXPECT_TRUE(accepts(GrammarSource::json_object(), R"({"x":[1,{"y":"z"}]})"));
  EXPECT_FALSE(accepts(GrammarSource::json_object(), "[]"));
  for (const char* anything : {"{}", "true", " { } "}) {
    EXPECT_TRUE(accepts({GrammarKind::kJsonSchema, anything}, "[1, 2]")) << anything;
    EXPECT_FALSE(accepts({GrammarKind::kJsonSchema, anything}, "[1,\n\n2]")) << anything;
  }
}

TEST_F(GrammarTest, LarkGrammarsNest) {
  const GrammarSource source = GrammarSource::grammar("start: \"(\" start \")\" | \"x\"\n");
  EXPECT_EQ(source.kind, GrammarKind::kLark);
  EXPECT_TRUE(accepts(source, "((x))"));
  EXPECT_FALSE(accepts(source, "((x)"));
}

TEST_F(GrammarTest, GbnfAcceptsWhatLlamaCppDoes) {
  const GrammarSource source = GrammarSource::grammar(
      "# arithmetic\n"
      "root ::= (expr \"=\" ws term \"\\n\")+\n"
      "expr ::= term ([-+*/] term)*\n"
      "term ::= ident | num | \"(\" ws expr \")\" ws\n"
      "ident ::= [a-z] [a-z0-9_]* ws\n"
      "num ::= [0-9]+ ws\n"
      "ws ::= [ \\t\\n]*\n");
  EXPECT_EQ(source.kind, GrammarKind::kGbnf);
  EXPECT_TRUE(accepts(source, "a+12*(b-3)=x\n"));
  EXPECT_TRUE(accepts(source, "1 = 1\nab=abc\n"));
  EXPECT_FALSE(accepts(source, "1=\n"));
  EXPECT_FALSE(accepts(source, "(1=1\n"));

  const auto gbnf = [](const char* text) { return GrammarSource{GrammarKind::kGbnf, text}; };
  // Not recursive, so that no alternative hides another.
  EXPECT_TRUE(accepts(gbnf("root ::= (\"a\" | \"ab\") \"bc\""), "abc"));
  EXPECT_TRUE(accepts(gbnf("root ::= \"\\x41\" [^\\]\"] . {2,3}? |"), ""));
  EXPECT_TRUE(accepts(gbnf("root ::= a{2} [\\-x]{1,2}\na ::= \"y\" |\n  \"z\"\n"), "yzx-"));
  EXPECT_FALSE(accepts(gbnf("root ::= a{2} [\\-x]{1,2}\na ::= \"y\" |\n  \"z\"\n"), "yx"));
}

TEST_F(GrammarTest, BrokenGrammarsAreRefusedByTheirPlace) {
  const auto problem = [&](GrammarKind kind, const char* text) { return error_of({kind, text}).message(); };
  EXPECT_NE(problem(GrammarKind::kGbnf, "root ::= a\n").find("line 1: there is no rule \"a\""), std::string::npos);
  EXPECT_NE(problem(GrammarKind::kGbnf, "a ::= \"x\"").find("no rule \"root\""), std::string::npos);
  EXPECT_NE(problem(GrammarKind::kGbnf, "root ::= \"x\"\nroot ::= \"y\"").find("line 2"), std::string::npos);
  EXPECT_NE(problem(GrammarKind::kGbnf, "root ::= (\"x\"").find("has no )"), std::string::npos);
  EXPECT_EQ(error_of({GrammarKind::kGbnf, "root ::= <think>"}).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error_of({GrammarKind::kRegex, "a("}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kLark, "start: missing"}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kJsonSchema, "{\"type\":"}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kRegex, "\xFF"}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kJsonSchema, "false"}).code(), ErrorCode::kInvalidArgument);
}

TEST_F(GrammarTest, WhatIsNotEnforcedIsRefusedByItsName) {
  const auto refused = [&](const std::string& schema, std::string_view name) {
    const Error error = error_of({GrammarKind::kJsonSchema, schema});
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.message();
    EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
  };
  refused(R"({"not": {"type": "string"}})", "\"not\" cannot be enforced (#/not)");
  refused(R"({"properties": {"a/b": {"uniqueItems": true}}})", "#/properties/a~1b/uniqueItems");
  refused(R"({"$ref": "#/$defs/x", "$defs": {"x": {"if": true}}})", "#/$defs/x/if");
  refused(R"({"x-guidance": {"lenient": true}, "type": "object"})", "x-guidance");
  refused(R"({"type": "string", "format": "iri"})", "format");
  refused(R"({"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"$id": "a/", "$ref": "#/definitions/b"}],
              "definitions": {"b": {"type": "number"}}})",
          "#/allOf/0/$id");
  // A keyword of another draft would be ignored.
  refused(R"({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [true]})", "draft 7");
}

// Each would take hours or gigabytes, were there no limits.
TEST_F(GrammarTest, ExplosionsEndInAnError) {
  std::string all_of = R"({"allOf":[)";
  for (int i = 0; i < 20; ++i)
    all_of += R"({"anyOf":[{"minimum":1},{"maximum":5},{"multipleOf":7},{"type":"string"}]},)";
  all_of += "{}]}";
  EXPECT_EQ(error_of({GrammarKind::kJsonSchema, all_of}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kRegex, std::string(200'000, '(') + std::string(200'000, ')')}).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kLark, "start: " + std::string(100'000, '(')}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kGbnf, "root ::= " + std::string(100'000, '(')}).code(),
            ErrorCode::kInvalidArgument);
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += R"({"items":)";
  EXPECT_EQ(error_of({GrammarKind::kJsonSchema, deep}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of({GrammarKind::kRegex, std::string((1 << 20) + 1, 'a')}).code(), ErrorCode::kInvalidArgument);
}

// What compiles lazily is bounded token by token: it may go on, or end in an error.
TEST_F(GrammarTest, ExpressionsThatExplodeLaterAreBoundedToo) {
  for (const char* expression : {"((((a{1,1000}){1,1000}){1,1000}){1,1000})", "(a|b)*a(a|b){300}c",
                                 "(.*a.*b.*)&(.*b.*a.*)", "((a*)*)*c", "(a?){500}a{500}"}) {
    try {
      GrammarState state(compiler_.compile({GrammarKind::kRegex, expression}));
      std::vector<uint32_t> mask(compiler_.mask_word_count());
      for (int i = 0; i < 300; ++i) {
        state.mask(mask);
        const TokenId token{i * 7 % 5 == 0 ? 'b' : 'a'};
        state.consume(is_in(mask, token) ? token : TokenId{'a'});
      }
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kResourceExhausted) << expression << ": " << error.message();
    }
  }
}

TEST_F(GrammarTest, TheSameTextIsCompiledOnce) {
  const GrammarSource source = {GrammarKind::kRegex, "a+"};
  const std::shared_ptr<const Grammar> grammar = compiler_.compile(source);
  EXPECT_EQ(compiler_.compile(source), grammar);
  EXPECT_NE(compiler_.compile({GrammarKind::kLark, "start: /a+/"}), grammar);
  compiler_.forget(grammar);
  EXPECT_NE(compiler_.compile(source), grammar);
  // The least recently used goes first.
  const std::shared_ptr<const Grammar> kept = compiler_.compile(source);
  for (int i = 0; i < 70; ++i) {
    compiler_.compile({GrammarKind::kRegex, "b{" + std::to_string(i) + "}"});
    EXPECT_EQ(compiler_.compile(source), kept);
  }
}

TEST_F(GrammarTest, TheVocabularyNeedsAnEndToken) {
  GrammarCompiler compiler(tokenizer_, tokenizer_->vocabulary_size(), {});
  EXPECT_THROW(compiler.compile({GrammarKind::kRegex, "a"}), Error);
}

TEST_F(GrammarTest, AnswersOfOneGrammarStandWhereTheyStandOnAnyThread) {
  const std::shared_ptr<const Grammar> grammar = compiler_.compile({GrammarKind::kRegex, "(ab|c){1000}"});
  std::atomic<int> wrong_count = 0;
  const auto follow = [&](int seed) {
    GrammarState state(grammar);
    std::vector<uint32_t> mask(compiler_.mask_word_count());
    bool after_a = false;
    for (int i = 0; i < 500; ++i) {
      state.mask(mask);
      if (is_in(mask, TokenId{'a'}) == after_a || is_in(mask, TokenId{'b'}) != after_a) ++wrong_count;
      const char next = after_a ? 'b' : ((i * 7 + seed) % 3 == 0 ? 'c' : 'a');
      after_a = next == 'a';
      state.consume(TokenId{next});
    }
  };
  std::vector<std::thread> threads;
  for (int seed = 0; seed < 4; ++seed) threads.emplace_back(follow, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong_count, 0);
}

TEST(Grammar, OfAPublishedKindOfVocabularyAllowsEachCutOfATextAndNoHalfCharacters) {
  const std::shared_ptr<const Tokenizer> tokenizer = golden_tokenizer("smollm");
  const TokenId end = tokenizer->eos().value_or(TokenId{0});
  GrammarCompiler compiler(tokenizer, tokenizer->vocabulary_size(), {end});
  const GrammarSource source = GrammarSource::choice({"Hëllo wörld", "日本"});
  for (const char* text : {"Hëllo wörld", "日本"}) {
    GrammarState state(compiler.compile(source));
    std::vector<uint32_t> mask(compiler.mask_word_count());
    for (const TokenId token : tokenizer->encode(text, {.parse_special = false, .add_special = false})) {
      state.mask(mask);
      ASSERT_TRUE(is_in(mask, token)) << text;
      EXPECT_FALSE(is_in(mask, end));
      state.consume(token);
    }
    EXPECT_TRUE(state.has_ended());
  }
}

}  // namespace
}  // namespace pelton
