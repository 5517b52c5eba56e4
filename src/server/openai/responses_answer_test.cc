#include "server/openai/responses_answer.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/fake_tokenizer.h"

namespace pelton::openai {
namespace {

json::value json_of(const std::string& text) { return parse_json(text, "expected"); }

// Two tokens, whatever the text.
class TwoTokens final : public FakeTokenizer {
 public:
  TwoTokens() : FakeTokenizer({"a"}) {}
  std::vector<TokenId> encode(std::string_view, const EncodeOptions&) const override {
    return {TokenId{0}, TokenId{0}};
  }
};

ResponsesAnswer answer(const AnswerSyntax& syntax = {}) {
  return {{.identity = {.id = "resp_1", .created = 7, .model = "m", .fingerprint = "fp"},
           .tokenizer = std::make_shared<TwoTokens>(),
           .settings = {{"store", false}}},
          syntax};
}

const AnswerSyntax kAll{.has_reasoning = true, .tools = ToolForm::kHermes};
const std::string kText =
    "<think>\nIt asks.</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\"]}}\n"
    "</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";

Events stream(ResponsesAnswer& made, const std::string& text, size_t size, const Choice& ending = {}) {
  Events all = made.opening(0);
  const auto take = [&](Events events) {
    for (Event& event : events) all.push_back(std::move(event));
  };
  for (size_t begin = 0; begin < text.size(); begin += size) take(made.piece(0, {.text = text.substr(begin, size)}));
  take(made.closing(0, ending));
  take(made.end({.prompt_tokens = 10, .completion_tokens = 4, .cached_tokens = 6}));
  return all;
}

json::value without_call_ids(json::value output) {
  for (json::value& item : output.as_array()) item.as_object().erase("call_id");
  return output;
}

TEST(ResponsesAnswer, Whole) {
  EXPECT_EQ(answer().whole({{.piece = {.text = "Hi"}}}, {10, 4, 6}), json_of(R"(
      {"id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "background": false, "error": null,
       "incomplete_details": null, "model": "m", "store": false, "output": [{"id": "msg_resp_1_0", "type": "message",
       "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": [],
       "logprobs": []}]}], "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 6,
       "cache_write_tokens": 0}, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0},
       "total_tokens": 14}})"));
}

TEST(ResponsesAnswer, EventsOfAMessage) {
  ResponsesAnswer made = answer();
  const Events events = stream(made, "Hi", 1);
  std::vector<std::string> names;
  for (size_t i = 0; i < events.size(); ++i) {
    names.emplace_back(events[i].name);
    EXPECT_EQ(events[i].data.at("type"), json::string(events[i].name));
    EXPECT_EQ(events[i].data.at("sequence_number"), i);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
                "response.output_text.delta", "response.output_text.delta", "response.output_text.done",
                "response.content_part.done", "response.output_item.done", "response.completed"}));
  EXPECT_EQ(events[2].data.at("item").at("content"), json::array());
  EXPECT_EQ(events[3].data.at("part").at("text"), "");
  EXPECT_EQ(events[6].data.at("text"), "Hi");
  EXPECT_EQ(events[9].data.at("response"), answer().whole({{.piece = {.text = "Hi"}}}, {10, 4, 6}));
}

// However the answer is cut, its items are the same, and what the events said adds up to them.
TEST(ResponsesAnswer, ItemsAreTheSameWholeAndStreamed) {
  const json::object whole = answer(kAll).whole({{.piece = {.text = kText}}}, {10, 4, 6});
  const json::value expected = without_call_ids(whole.at("output"));
  EXPECT_EQ(expected, json_of(R"([
      {"id": "rs_resp_1_0", "type": "reasoning", "status": "completed", "summary": [],
       "content": [{"type": "reasoning_text", "text": "It asks."}]},
      {"id": "msg_resp_1_1", "type": "message", "role": "assistant", "status": "completed",
       "content": [{"type": "output_text", "text": "Let me see.\n", "annotations": [], "logprobs": []}]},
      {"id": "fc_resp_1_2", "type": "function_call", "status": "completed", "name": "f",
       "arguments": "{\"a\": [1, \"}\"]}"},
      {"id": "fc_resp_1_3", "type": "function_call", "status": "completed", "name": "g", "arguments": "{}"}])"));
  EXPECT_EQ(whole.at("usage").at("output_tokens_details").at("reasoning_tokens"), 2);

  for (size_t size = 1; size <= kText.size(); ++size) {
    ResponsesAnswer made = answer(kAll);
    std::vector<std::string> texts;
    std::string open_id;
    json::value output;
    for (const Event& event : stream(made, kText, size)) {
      const json::object& data = event.data;
      if (event.name == "response.output_item.added") {
        EXPECT_EQ(data.at("output_index"), texts.size());
        texts.emplace_back();
        open_id = data.at("item").at("id").as_string();
      }
      if (const json::value* delta = data.if_contains("delta")) {
        EXPECT_EQ(data.at("item_id"), json::string(open_id));
        EXPECT_EQ(data.at("output_index"), texts.size() - 1);
        texts.back() += delta->as_string();
      }
      if (event.name == "response.completed") output = data.at("response").at("output");
    }
    EXPECT_EQ(without_call_ids(output), expected) << size;
    EXPECT_EQ(texts, (std::vector<std::string>{"It asks.", "Let me see.\n", R"({"a": [1, "}"]})", "{}"})) << size;
  }
}

TEST(ResponsesAnswer, SaysThatItWasCutOff) {
  ResponsesAnswer made = answer();
  const Events events = stream(made, "Hi", 2, {.piece = {}, .reason = FinishReason::kLength});
  EXPECT_EQ(events.back().name, "response.incomplete");
  const json::value& response = events.back().data.at("response");
  EXPECT_EQ(response.at("status"), "incomplete");
  EXPECT_EQ(response.at("incomplete_details").at("reason"), "max_output_tokens");
  EXPECT_EQ(response.at("output").at(0).at("status"), "incomplete");
}

TEST(ResponsesAnswer, FailsInItsOwnForm) {
  ResponsesAnswer made = answer();
  made.opening(0);
  const Event event = made.failure(HttpError(503, "unavailable", "the server is stopping"));
  EXPECT_EQ(event.name, "response.failed");
  EXPECT_EQ(event.data.at("sequence_number"), 2);
  EXPECT_EQ(event.data.at("response").at("status"), "failed");
  EXPECT_EQ(event.data.at("response").at("error").at("message"), "the server is stopping");
}

}  // namespace
}  // namespace pelton::openai
