#include "server/anthropic/messages_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace pelton::anthropic {
namespace {

using testing::HasSubstr;

constexpr const char* kHello = R"("max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}])";

MessagesRequest parse(const std::string& fields) {
  return parse_messages_request("{" + std::string(kHello) + (fields.empty() ? "" : ", ") + fields + "}");
}
json::array chat_of(const std::string& messages) {
  return parse_messages_request(R"({"max_tokens": 9, "messages": [)" + messages + "]}").chat.messages;
}
json::value json_of(const char* text) { return parse_json(text, "expected"); }

// The field at fault, which the message names too.
std::string fault_of(const std::string& body) {
  try {
    parse_messages_request(body);
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr(error.parameter())) << body;
    return error.parameter().empty() ? "?" : error.parameter();
  }
  return "";
}
std::string fault_of_fields(const std::string& fields) {
  return fault_of("{" + std::string(kHello) + ", " + fields + "}");
}
std::string fault_of_blocks(const std::string& role, const std::string& blocks) {
  return fault_of(R"({"max_tokens": 9, "messages": [{"role": ")" + role + R"(", "content": [)" + blocks + "]}]}");
}

TEST(MessagesRequest, ReadsEveryField) {
  const MessagesRequest request = parse(R"(
      "model": "m", "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
      {"type": "text", "text": "Be kind."}], "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stream": true,
      "stop_sequences": ["a", "b"], "metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": null,
      "thinking": {"type": "enabled", "budget_tokens": 7, "display": "omitted"},
      "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}})");
  const openai::GenerationFields& fields = request.chat.generation;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 9);
  EXPECT_EQ(fields.temperature, 0.5);
  EXPECT_EQ(fields.top_p, 0.9);
  EXPECT_EQ(fields.top_k, 4);
  EXPECT_EQ(fields.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fields.client, "u");
  EXPECT_TRUE(fields.streams);
  EXPECT_EQ(fields.grammar->text, R"({"type":"object"})");
  EXPECT_EQ(request.chat.reasoning_budget, 7);
  EXPECT_EQ(request.chat.reasoning_effort, "low");
  EXPECT_EQ(request.chat.prefers_reasoning, true);
  EXPECT_FALSE(request.shows_thinking);
  EXPECT_EQ(json::value(request.chat.messages), json_of(R"([{"role": "system", "content": "Be brief.\nBe kind."},
                                                            {"role": "user", "content": "Hi"}])"));
}

TEST(MessagesRequest, ThinksOnlyWhereAsked) {
  EXPECT_EQ(parse("").chat.prefers_reasoning, false);
  EXPECT_EQ(parse(R"("thinking": {"type": "adaptive"})").chat.prefers_reasoning, true);
  EXPECT_EQ(parse(R"("thinking": {"type": "disabled"})").chat.reasoning_effort, "none") << "or be refused";
}

TEST(MessagesRequest, ToolsAndTheirChoice) {
  const std::string tools = R"("tools": [{"name": "f", "description": "Does f.", "cache_control": {"type": "ephemeral"},
      "input_schema": {"type": "object"}}, {"type": "custom", "name": "g", "input_schema": {}}])";
  const openai::ToolFields fields =
      parse(tools + R"(, "tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": true})").chat.tools;
  EXPECT_EQ(json::value(fields.definitions), json_of(R"([
      {"type": "function", "function": {"name": "f", "description": "Does f.", "parameters": {"type": "object"}}},
      {"type": "function", "function": {"name": "g", "parameters": {}}}])"));
  EXPECT_EQ(fields.choice, ToolChoice::kRequired);
  EXPECT_EQ(fields.named, "g");
  EXPECT_FALSE(fields.is_parallel);
  const auto choice = [&](const char* type) {
    return parse(tools + R"(, "tool_choice": {"type": ")" + type + "\"}").chat.tools.choice;
  };
  EXPECT_EQ(choice("auto"), ToolChoice::kAuto);
  EXPECT_EQ(choice("any"), ToolChoice::kRequired);
  EXPECT_EQ(choice("none"), ToolChoice::kNone);
}

TEST(MessagesRequest, BlocksBecomeWhatTemplatesKnow) {
  EXPECT_EQ(json::value(chat_of(R"(
      {"role": "user", "content": "Weather?"},
      {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "I ask.", "signature": ""}, {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "t1", "name": "w", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "t2", "name": "w", "input": {}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": "21"},
        {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": [{"type": "text", "text": "no city"}]},
        {"type": "text", "text": "So?"}]},
      {"role": "user", "content": [{"type": "text", "text": "Quick."}]})")),
            json_of(R"([
      {"role": "user", "content": "Weather?"},
      {"role": "assistant", "content": "Let me see.", "reasoning_content": "I ask.", "tool_calls": [
        {"id": "t1", "type": "function", "function": {"name": "w", "arguments": {"city": "Paris"}}},
        {"id": "t2", "type": "function", "function": {"name": "w", "arguments": {}}}]},
      {"role": "tool", "tool_call_id": "t1", "content": "21"},
      {"role": "tool", "tool_call_id": "t2", "content": "Error: no city"},
      {"role": "user", "content": "So?\nQuick."}])"));
}

TEST(MessagesRequest, NamesWhatItRefuses) {
  EXPECT_EQ(fault_of(R"({"messages": [{"role": "user", "content": "Hi"}]})"), "max_tokens");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1})"), "messages");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1, "messages": []})"), "messages");
  EXPECT_EQ(fault_of(R"({"max_tokens": 0, "messages": []})"), "max_tokens");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1, "messages": [{"role": "tool", "content": "x"}]})"), "messages[0].role");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1, "messages": [{"role": "user"}]})"), "messages[0].content");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1, "messages": [{"role": "user", "content": []}]})"), "messages[0].content");
  EXPECT_EQ(fault_of(R"({"max_tokens": 1, "messages": [{"role": "user", "content": "a"},
                         {"role": "assistant", "content": "The answer is ("}]})"),
            "messages[1]")
      << "prefill";
  for (const char* name : {"min_p", "max_tokens_to_sample", "logprobs", "betas"}) {
    EXPECT_EQ(fault_of_fields("\"" + std::string(name) + "\": 1"), name);
  }
  for (const auto& [fields, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"("container": "c")", "container"},
           {R"("mcp_servers": [{}])", "mcp_servers"},
           {R"("speed": "fast")", "speed"},
           {R"("service_tier": "priority")", "service_tier"},
           {R"("metadata": {"team": "t"})", "metadata.team"},
           {R"("stop_sequences": "a")", "stop_sequences"},
           {R"("system": [{"type": "image"}])", "system[0].type"},
           {R"("cache_control": {"type": "forever"})", "cache_control.type"},
           {R"("thinking": {"type": "enabled"})", "thinking.budget_tokens"},
           {R"("thinking": {"type": "disabled", "budget_tokens": 5})", "thinking.budget_tokens"},
           {R"("thinking": {"type": "deep"})", "thinking.type"},
           {R"("thinking": {"type": "disabled"}, "output_config": {"effort": "low"})", "output_config.effort"},
           {R"("output_config": {"effort": "max"})", "output_config.effort"},
           {R"("output_config": {"format": {"type": "text"}})", "output_config.format.type"},
           {R"("tool_choice": {"type": "any"})", "tool_choice"},
           {R"("tool_choice": {"type": "auto", "name": "f"})", "tool_choice.name"},
           {R"("tools": [{"name": "f"}])", "tools[0].input_schema"},
           {R"("tools": [{"type": "bash_20250124", "name": "bash"}])", "tools[0].type"},
           {R"("tools": [{"name": "f", "input_schema": {}, "defer_loading": true}])", "tools[0].defer_loading"},
       }) {
    EXPECT_EQ(fault_of_fields(fields), name) << fields;
  }
  EXPECT_EQ(fault_of_blocks("user", R"({"type": "image", "source": {}})"), "messages[0].content[0].type");
  EXPECT_EQ(fault_of_blocks("user", R"({"type": "tool_use"})"), "messages[0].content[0].type");
  EXPECT_EQ(fault_of_blocks("user", R"({"type": "tool_result"})"), "messages[0].content[0].tool_use_id");
  EXPECT_EQ(fault_of_blocks("user", R"({"type": "text", "text": "a", "citations": [{}]})"),
            "messages[0].content[0].citations");
  EXPECT_EQ(fault_of_blocks("assistant", R"({"type": "tool_use", "id": "t", "name": "f"})"),
            "messages[0].content[0].input");
}

TEST(CountRequest, KnowsNothingOfAnswers) {
  EXPECT_EQ(
      parse_count_request(R"({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})").chat.messages.size(),
      1u);
  EXPECT_THROW(parse_count_request("{" + std::string(kHello) + "}"), Error) << "max_tokens";
}

}  // namespace
}  // namespace pelton::anthropic
