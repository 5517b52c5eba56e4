#include "server/openai/completion_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton::openai {
namespace {

using testing::ElementsAre;
using testing::VariantWith;

std::vector<TokenId> ids(std::initializer_list<int32_t> numbers) {
  std::vector<TokenId> tokens;
  for (const int32_t number : numbers) tokens.push_back(TokenId{number});
  return tokens;
}

std::vector<Prompt> prompts_of(const std::string& prompt) {
  return parse_completion_request(R"({"prompt":)" + prompt + "}").prompts;
}

std::string parameter_of(const std::string& fields) {
  try {
    parse_completion_request("{" + fields + "}");
  } catch (const Error& error) {
    return error.parameter();
  }
  return "";
}

TEST(CompletionRequest, ReadsEveryFormOfPrompt) {
  EXPECT_THAT(prompts_of(R"("a")"), ElementsAre(VariantWith<std::string>("a")));
  EXPECT_THAT(prompts_of(R"(["a", "b"])"), ElementsAre(VariantWith<std::string>("a"), VariantWith<std::string>("b")));
  EXPECT_THAT(prompts_of("[1, 2]"), ElementsAre(VariantWith<std::vector<TokenId>>(ids({1, 2}))));
  EXPECT_THAT(prompts_of(R"([[1], "b", [2, 3]])"),
              ElementsAre(VariantWith<std::vector<TokenId>>(ids({1})), VariantWith<std::string>("b"),
                          VariantWith<std::vector<TokenId>>(ids({2, 3}))));
}

TEST(CompletionRequest, ReadsItsOwnFields) {
  const CompletionRequest request = parse_completion_request(
      R"({"prompt":"a","logprobs":3,"parse_special":false,"add_special_tokens":false,"best_of":4,"suffix":"","n":2})");
  EXPECT_EQ(request.best_of, 4);
  EXPECT_EQ(request.generation.choice_count, 2);
  EXPECT_EQ(request.logprobs, 3);
  EXPECT_FALSE(request.parses_special);
  EXPECT_FALSE(request.adds_special);
  EXPECT_TRUE(parse_completion_request(R"({"prompt":"a","echo":true})").echoes);
  const CompletionRequest plain = parse_completion_request(R"({"prompt":"a"})");
  EXPECT_TRUE(plain.parses_special && plain.adds_special && !plain.echoes && !plain.logprobs);
}

TEST(CompletionRequest, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("model":"m")", "prompt"},
      {R"("prompt":null)", "prompt"},
      {R"("prompt":5)", "prompt"},
      {R"("prompt":[])", "prompt"},
      {R"("prompt":[1,"a"])", "prompt[1]"},
      {R"("prompt":[1,-1])", "prompt[1]"},
      {R"("prompt":[1.5])", "prompt[0]"},
      {R"("prompt":[4294967296])", "prompt[0]"},
      {R"("prompt":["a",1])", "prompt[1]"},
      {R"("prompt":["a",[[1]]])", "prompt[1][0]"},
      {R"("prompt":"a","suffix":"b")", "suffix"},
      {R"("prompt":"a","best_of":21)", "best_of"},
      {R"("prompt":"a","best_of":2,"n":3)", "best_of"},
      {R"("prompt":"a","best_of":2,"stream":true)", "best_of"},
      {R"("prompt":"a","best_of":4,"n":2,"use_beam_search":true)", "best_of"},
      {R"("prompt":["a","b","c","d","e"],"n":128)", "n"},
      {R"("prompt":"a","logprobs":21)", "logprobs"},
      {R"("prompt":"a","logprobs":true)", "logprobs"},
      {R"("prompt":"a","messages":[])", "messages"},
      {R"("prompt":"a","max_completion_tokens":5)", "max_completion_tokens"},
  };
  for (const auto& [fields, parameter] : cases) EXPECT_EQ(parameter_of(fields), parameter) << fields;
  std::string many = "\"a\"";
  for (int i = 0; i < 128; ++i) many += ",\"a\"";
  EXPECT_EQ(parameter_of("\"prompt\":[" + many + "]"), "prompt");
}

}  // namespace
}  // namespace pelton::openai
