#include <gtest/gtest.h>

#include "engine/fake_tokenizer.h"
#include "server/openai/chat_answer.h"
#include "server/openai/completion_answer.h"

namespace pelton::openai {
namespace {

// "é" in two halves.
const std::vector<std::string> kTokens = {"a", " b", "\xC3", "\xA9"};

AnswerOptions options(bool has_logprobs) {
  return {.identity = {.id = "id", .created = 7, .model = "m", .fingerprint = "fp"},
          .tokenizer = std::make_shared<FakeTokenizer>(kTokens),
          .has_logprobs = has_logprobs,
          .has_usage_chunk = true};
}

SampledToken sampled(int32_t token, float logprob) {
  return {.token = TokenId{token},
          .logprob = logprob,
          .alternatives = {{TokenId{token}, logprob}, {TokenId{2}, -std::numeric_limits<float>::infinity()}}};
}

json::value parse(const char* text) { return parse_json(text, "expected"); }

TEST(ChatAnswer, Whole) {
  ChatAnswer answer(options(false));
  EXPECT_EQ(answer.whole({{.piece = {.text = "Hi"}, .reason = FinishReason::kLength}}, {3, 2}), parse(R"(
      {"id":"id","object":"chat.completion","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,
       "message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,"finish_reason":"length"}],
       "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}})"));
}

TEST(ChatAnswer, Chunks) {
  ChatAnswer answer(options(false));
  const auto choice = [](const json::object& chunk) {
    EXPECT_EQ(chunk.at("object"), "chat.completion.chunk");
    EXPECT_TRUE(chunk.at("usage").is_null());
    return chunk.at("choices").at(0);
  };
  EXPECT_EQ(choice(*answer.opening(0)),
            parse(R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null})"));
  EXPECT_EQ(choice(answer.piece(0, {.text = "Hi"})),
            parse(R"({"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null})"));
  EXPECT_EQ(choice(answer.closing(0, FinishReason::kStop)),
            parse(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})"));
  const json::object usage = answer.usage_chunk({3, 2});
  EXPECT_TRUE(usage.at("choices").as_array().empty());
  EXPECT_EQ(usage.at("usage").at("total_tokens"), 5);
}

TEST(ChatAnswer, Logprobs) {
  ChatAnswer answer(options(true));
  EXPECT_EQ(answer.piece(0, {.text = "", .tokens = {sampled(3, -0.5f)}}).at("choices").at(0).at("logprobs"), parse(R"(
      {"content":[{"token":"\uFFFD","logprob":-0.5,"bytes":[169],"top_logprobs":[
        {"token":"\uFFFD","logprob":-0.5,"bytes":[169]},{"token":"\uFFFD","logprob":-9999.0,"bytes":[195]}]}],
       "refusal":null})"));
}

TEST(CompletionAnswer, Whole) {
  CompletionAnswer answer(options(false), {"", "é"});
  const json::object whole = answer.whole({{.piece = {.text = "x"}}, {.piece = {.text = "y"}}}, {3, 2});
  EXPECT_EQ(whole.at("object"), "text_completion");
  EXPECT_EQ(whole.at("choices"), parse(R"([{"index":0,"text":"x","logprobs":null,"finish_reason":"stop"},
                                           {"index":1,"text":"éy","logprobs":null,"finish_reason":"stop"}])"));
}

TEST(CompletionAnswer, EchoIsTheFirstChunk) {
  CompletionAnswer answer(options(false), {"", "é"});
  EXPECT_EQ(answer.opening(0), std::nullopt);
  EXPECT_EQ(answer.opening(1)->at("choices").at(0).at("text"), "é");
}

TEST(CompletionAnswer, LogprobsCountCharacters) {
  CompletionAnswer answer(options(true), {""});
  answer.piece(0, {.text = "a", .tokens = {sampled(0, -1)}});
  answer.piece(0, {.text = "", .tokens = {sampled(2, -1)}});
  const json::object chunk = answer.piece(0, {.text = "é b", .tokens = {sampled(3, -1), sampled(1, -2)}});
  EXPECT_EQ(chunk.at("choices").at(0).at("logprobs"), parse(R"(
      {"tokens":["bytes:\\xa9"," b"],"token_logprobs":[-1.0,-2.0],
       "top_logprobs":[{"bytes:\\xa9":-1.0,"bytes:\\xc3":-9999.0},{" b":-2.0,"bytes:\\xc3":-9999.0}],
       "text_offset":[2,2]})"));
}

}  // namespace
}  // namespace pelton::openai
