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
  ChatAnswer answer(options(false), {});
  EXPECT_EQ(answer.whole({{.piece = {.text = "Hi"}, .reason = FinishReason::kLength}}, {3, 2}), parse(R"(
      {"id":"id","object":"chat.completion","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,
       "message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,"finish_reason":"length"}],
       "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}})"));
}

TEST(ChatAnswer, Chunks) {
  ChatAnswer answer(options(false), {});
  const auto choice = [](const Events& events) {
    EXPECT_EQ(events.size(), 1u);
    const json::object& chunk = events.at(0).data;
    EXPECT_EQ(events.at(0).name, "");
    EXPECT_EQ(chunk.at("object"), "chat.completion.chunk");
    EXPECT_TRUE(chunk.at("usage").is_null());
    return chunk.at("choices").at(0);
  };
  EXPECT_EQ(choice(answer.opening(0)),
            parse(R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null})"));
  EXPECT_EQ(choice(answer.piece(0, {.text = "Hi"})),
            parse(R"({"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null})"));
  EXPECT_EQ(choice(answer.closing(0, {.reason = FinishReason::kStop})),
            parse(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})"));
  const json::object usage = answer.end({3, 2}).at(0).data;
  EXPECT_TRUE(usage.at("choices").as_array().empty());
  EXPECT_EQ(usage.at("usage").at("total_tokens"), 5);
}

TEST(ChatAnswer, Logprobs) {
  ChatAnswer answer(options(true), {});
  const json::object chunk = answer.piece(0, {.text = "", .tokens = {sampled(3, -0.5f)}}).at(0).data;
  EXPECT_EQ(chunk.at("choices").at(0).at("logprobs"), parse(R"(
      {"content":[{"token":"\uFFFD","logprob":-0.5,"bytes":[169],"top_logprobs":[
        {"token":"\uFFFD","logprob":-0.5,"bytes":[169]},{"token":"\uFFFD","logprob":-9999.0,"bytes":[195]}]}],
       "refusal":null})"));
}

// However the answer is cut, the pieces add up to the whole.
TEST(ChatAnswer, CallsAndReasoningAreTheSameWholeAndStreamed) {
  const AnswerSyntax syntax{.has_reasoning = true, .tools = ToolForm::kHermes};
  const std::string text =
      "<think>\nIt asks.</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, "
      "\"}\"]}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";
  const json::object whole = ChatAnswer(options(false), syntax).whole({{.piece = {.text = text}}}, {1, 1});
  const json::object& message = whole.at("choices").at(0).at("message").as_object();
  EXPECT_EQ(whole.at("choices").at(0).at("finish_reason"), "tool_calls");
  EXPECT_EQ(message.at("content"), "Let me see.\n");
  EXPECT_EQ(message.at("reasoning_content"), "It asks.");
  EXPECT_EQ(message.at("tool_calls").at(0).at("function"), parse(R"({"name":"f","arguments":"{\"a\": [1, \"}\"]}"})"));
  EXPECT_EQ(message.at("tool_calls").at(1).at("function"), parse(R"({"name":"g","arguments":"{}"})"));
  EXPECT_EQ(message.at("tool_calls").at(0).at("id").as_string().size(), 9u);

  for (size_t size = 1; size < text.size(); ++size) {
    ChatAnswer answer(options(false), syntax);
    std::string content, reasoning;
    std::vector<std::pair<std::string, std::string>> calls;
    std::string finish_reason;
    const auto take_one = [&](const json::object& chunk) {
      const json::object& choice = chunk.at("choices").at(0).as_object();
      if (choice.at("finish_reason").is_string()) finish_reason = choice.at("finish_reason").as_string();
      const json::object& delta = choice.at("delta").as_object();
      if (const auto* part = delta.if_contains("content")) content += part->as_string();
      if (const auto* part = delta.if_contains("reasoning_content")) reasoning += part->as_string();
      if (!delta.contains("tool_calls")) return;
      for (const json::value& call : delta.at("tool_calls").as_array()) {
        const json::object& function = call.at("function").as_object();
        if (function.contains("name")) calls.emplace_back(function.at("name").as_string(), "");
        ASSERT_EQ(call.at("index"), calls.size() - 1);
        calls.back().second += function.at("arguments").as_string();
      }
    };
    const auto take = [&](const Events& events) {
      for (const Event& event : events) take_one(event.data);
    };
    for (size_t begin = 0; begin < text.size(); begin += size)
      take(answer.piece(0, {.text = text.substr(begin, size)}));
    take(answer.closing(0, {.reason = FinishReason::kStop}));
    EXPECT_EQ(content, "Let me see.\n") << size;
    EXPECT_EQ(reasoning, "It asks.") << size;
    ASSERT_EQ(calls.size(), 2u) << size;
    EXPECT_EQ(calls[0], std::make_pair(std::string("f"), std::string(R"({"a": [1, "}"]})")));
    EXPECT_EQ(calls[1].second, "{}");
    EXPECT_EQ(finish_reason, "tool_calls");
  }
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
  EXPECT_TRUE(answer.opening(0).empty());
  EXPECT_EQ(answer.opening(1).at(0).data.at("choices").at(0).at("text"), "é");
}

TEST(CompletionAnswer, AnEchoWithoutTextHasTokensToo) {
  CompletionAnswer answer(options(true), {""});
  answer.set_prompt(0, {{TokenId{1}, std::nullopt, {}}});
  const json::object whole = answer.whole({{.piece = {.text = "a", .tokens = {sampled(0, -1)}}}}, {1, 1});
  EXPECT_EQ(whole.at("choices").at(0).at("logprobs").at("tokens"), parse(R"([" b","a"])"));
}

TEST(CompletionAnswer, PromptsLogprobsInTheFormOfVllm) {
  SampledToken second = sampled(0, -1);
  second.rank = 3;
  const std::vector<SampledToken> prompt = {{TokenId{1}, std::nullopt, {}}, second};
  AnswerOptions asked = options(false);
  asked.has_prompt_logprobs = true;
  const json::value expected = parse(R"([null, {"0": {"logprob": -1.0, "rank": 3, "decoded_token": "a"},
                                                "2": {"logprob": -9999.0, "rank": 2, "decoded_token": "\uFFFD"}}])");
  CompletionAnswer completion(asked, {std::nullopt});
  completion.set_prompt(0, prompt);
  const json::object whole = completion.whole({{.piece = {.text = "x"}}}, {2, 1});
  EXPECT_EQ(whole.at("choices").at(0).at("prompt_logprobs"), expected);
  EXPECT_TRUE(whole.at("choices").at(0).at("logprobs").is_null());
  EXPECT_EQ(whole.at("choices").at(0).at("text"), "x");

  ChatAnswer chat(asked, {});
  chat.set_prompt(0, prompt);
  EXPECT_EQ(chat.whole({{.piece = {.text = "x"}}}, {2, 1}).at("prompt_logprobs"), expected);
}

TEST(CompletionAnswer, EchoedTokensHaveLogprobsToo) {
  const auto of = [](const json::object& object) { return object.at("choices").at(0).at("logprobs"); };
  const std::vector<SampledToken> prompt = {{TokenId{1}, std::nullopt, {}}, sampled(0, -1)};
  CompletionAnswer whole(options(true), {" ba"});
  whole.set_prompt(0, prompt);
  const json::value logprobs = of(whole.whole({{.piece = {.text = " b", .tokens = {sampled(1, -2)}}}}, {2, 1}));
  EXPECT_EQ(logprobs.at("tokens"), parse(R"([" b","a"," b"])"));
  EXPECT_EQ(logprobs.at("token_logprobs"), parse("[null,-1.0,-2.0]"));
  EXPECT_EQ(logprobs.at("text_offset"), parse("[0,2,3]"));
  EXPECT_TRUE(logprobs.at("top_logprobs").at(0).is_null());

  CompletionAnswer stream(options(true), {" ba"});
  stream.set_prompt(0, prompt);
  EXPECT_EQ(of(stream.opening(0).at(0).data).at("token_logprobs"), parse("[null,-1.0]"));
  EXPECT_EQ(of(stream.piece(0, {.text = " b", .tokens = {sampled(1, -2)}}).at(0).data).at("text_offset"), parse("[3]"));
}

TEST(CompletionAnswer, LogprobsCountCharacters) {
  CompletionAnswer answer(options(true), {""});
  answer.piece(0, {.text = "a", .tokens = {sampled(0, -1)}});
  answer.piece(0, {.text = "", .tokens = {sampled(2, -1)}});
  const json::object chunk = answer.piece(0, {.text = "é b", .tokens = {sampled(3, -1), sampled(1, -2)}}).at(0).data;
  EXPECT_EQ(chunk.at("choices").at(0).at("logprobs"), parse(R"(
      {"tokens":["bytes:\\xa9"," b"],"token_logprobs":[-1.0,-2.0],
       "top_logprobs":[{"bytes:\\xa9":-1.0,"bytes:\\xc3":-9999.0},{" b":-2.0,"bytes:\\xc3":-9999.0}],
       "text_offset":[2,2]})"));
}

}  // namespace
}  // namespace pelton::openai
