#include "server/anthropic/messages_answer.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace pelton::anthropic {
namespace {

using openai::Event;
using openai::Events;

json::value json_of(const std::string& text) { return parse_json(text, "expected"); }

MessagesAnswer answer(const AnswerSyntax& syntax = {}, bool shows_thinking = true) {
  return {{.identity = {.id = "msg_1", .created = 7, .model = "m", .fingerprint = "fp"},
           .prompt_token_count = 10,
           .max_tokens = 5,
           .shows_thinking = shows_thinking},
          syntax};
}

const AnswerSyntax kAll{.has_reasoning = true, .tools = ToolForm::kHermes};
const std::string kText =
    "<think>\nIt asks.</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\"]}}\n"
    "</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";

// As a client does: blocks by index, each begun, added to and ended once, in order.
struct Read {
  json::array blocks;
  std::vector<std::string> names;
  json::object delta, usage;
};
Read read(const Events& events) {
  Read all;
  bool is_open = false;
  std::map<int64_t, std::string> inputs;
  for (const Event& event : events) {
    EXPECT_EQ(event.data.at("type"), json::string(event.name));
    all.names.emplace_back(event.name);
    if (event.name == "content_block_start") {
      EXPECT_FALSE(std::exchange(is_open, true));
      EXPECT_EQ(event.data.at("index"), all.blocks.size());
      all.blocks.push_back(event.data.at("content_block"));
    } else if (event.name == "content_block_delta") {
      EXPECT_TRUE(is_open);
      EXPECT_EQ(event.data.at("index"), all.blocks.size() - 1);
      json::object& block = all.blocks.back().as_object();
      const json::object& delta = event.data.at("delta").as_object();
      if (delta.at("type") == "text_delta") {
        block["text"] = std::string(block["text"].as_string()) + std::string(delta.at("text").as_string());
      } else if (delta.at("type") == "thinking_delta") {
        block["thinking"] = std::string(block["thinking"].as_string()) + std::string(delta.at("thinking").as_string());
      } else {
        EXPECT_EQ(delta.at("type"), "input_json_delta");
        inputs[event.data.at("index").as_int64()] += delta.at("partial_json").as_string();
      }
    } else if (event.name == "content_block_stop") {
      EXPECT_TRUE(std::exchange(is_open, false));
      if (const auto input = inputs.find(event.data.at("index").as_int64()); input != inputs.end()) {
        all.blocks.back().as_object()["input"] = json_of(input->second);
      }
    } else if (event.name == "message_delta") {
      all.delta = event.data.at("delta").as_object();
      all.usage = event.data.at("usage").as_object();
    }
  }
  EXPECT_FALSE(is_open);
  return all;
}
Events stream(MessagesAnswer& made, const std::string& text, size_t size, const openai::Choice& ending = {}) {
  Events all = made.opening(0);
  const auto take = [&](Events events) {
    for (Event& event : events) all.push_back(std::move(event));
  };
  for (size_t begin = 0; begin < text.size(); begin += size) take(made.piece(0, {.text = text.substr(begin, size)}));
  take(made.closing(0, ending));
  take(made.end({.prompt_tokens = 10, .completion_tokens = 4, .cached_tokens = 6}));
  return all;
}

TEST(MessagesAnswer, Whole) {
  EXPECT_EQ(answer().whole({{.piece = {.text = "Hi"}}}, {10, 4, 6}), json_of(R"(
      {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hi"}],
       "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 4, "cache_creation_input_tokens": 0,
       "cache_read_input_tokens": 6, "output_tokens": 4}})"));
}

TEST(MessagesAnswer, StreamBeginsAndEndsAsDocumented) {
  MessagesAnswer made = answer();
  const Events events = stream(made, "Hi", 2);
  EXPECT_EQ(read(events).names, (std::vector<std::string>{"message_start", "content_block_start", "content_block_delta",
                                                          "content_block_stop", "message_delta", "message_stop"}));
  EXPECT_EQ(events.front().data.at("message").at("usage").at("input_tokens"), 10);
  EXPECT_TRUE(events.front().data.at("message").at("content").as_array().empty());
  EXPECT_EQ(read(events).usage, json_of(R"({"input_tokens": 4, "cache_creation_input_tokens": 0,
                                            "cache_read_input_tokens": 6, "output_tokens": 4})"));
}

// However the answer is cut, its blocks are the same.
TEST(MessagesAnswer, BlocksAreTheSameWholeAndStreamed) {
  const auto without_ids = [](json::array blocks) {
    for (json::value& block : blocks) {
      if (const json::value* id = block.as_object().if_contains("id")) {
        EXPECT_EQ(id->as_string().size(), 9u);
        block.as_object().erase("id");
      }
    }
    return json::value(std::move(blocks));
  };
  const json::value expected = json_of(R"([{"type": "thinking", "thinking": "It asks.", "signature": ""},
      {"type": "text", "text": "Let me see.\n"}, {"type": "tool_use", "name": "f", "input": {"a": [1, "}"]}},
      {"type": "tool_use", "name": "g", "input": {}}])");
  const json::object whole = answer(kAll).whole({{.piece = {.text = kText}}}, {1, 1});
  EXPECT_EQ(without_ids(whole.at("content").as_array()), expected);
  EXPECT_EQ(whole.at("stop_reason"), "tool_use");
  for (size_t size = 1; size <= kText.size(); ++size) {
    MessagesAnswer made = answer(kAll);
    const Read streamed = read(stream(made, kText, size));
    EXPECT_EQ(without_ids(streamed.blocks), expected) << size;
    EXPECT_EQ(streamed.delta.at("stop_reason"), "tool_use") << size;
  }
}

TEST(MessagesAnswer, ThinkingMayBeOmitted) {
  const json::object whole = answer(kAll, false).whole({{.piece = {.text = kText}}}, {1, 1});
  EXPECT_EQ(whole.at("content").at(0), json_of(R"({"type": "thinking", "thinking": "", "signature": ""})"));
}

TEST(MessagesAnswer, SaysWhyItEnded) {
  const auto reason = [](const openai::Choice& choice, int64_t completion_tokens) {
    const json::object whole = answer().whole({choice}, {.prompt_tokens = 1, .completion_tokens = completion_tokens});
    return std::make_pair(std::string(whole.at("stop_reason").as_string()), whole.at("stop_sequence"));
  };
  using Pair = std::pair<std::string, json::value>;
  EXPECT_EQ(reason({.reason = FinishReason::kLength}, 5), Pair("max_tokens", nullptr));
  EXPECT_EQ(reason({.reason = FinishReason::kLength}, 4), Pair("model_context_window_exceeded", nullptr));
  EXPECT_EQ(reason({.reason = FinishReason::kStop, .stop = "END"}, 3), Pair("stop_sequence", "END"));
  EXPECT_EQ(reason({.reason = FinishReason::kStop}, 3), Pair("end_turn", nullptr));
}

TEST(MessagesAnswer, ACallThatIsCutOffStaysReadable) {
  const std::string cut = kText.substr(0, kText.find("\"}\"]"));
  const json::object whole = answer(kAll).whole({{.piece = {.text = cut}, .reason = FinishReason::kLength}}, {1, 5});
  EXPECT_EQ(whole.at("content").at(2).at("input"), json_of(R"({"INVALID_JSON": "{\"a\": [1, "})"));
  EXPECT_EQ(whole.at("stop_reason"), "max_tokens");
}

TEST(MessagesAnswer, FailsInItsOwnForm) {
  const Event event = answer().failure(HttpError(503, "unavailable", "the server is stopping"));
  EXPECT_EQ(event.name, "error");
  EXPECT_EQ(event.data, json_of(R"({"type": "error", "error": {"type": "overloaded_error",
                                    "message": "the server is stopping"}})"));
}

}  // namespace
}  // namespace pelton::anthropic
