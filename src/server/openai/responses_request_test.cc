#include "server/openai/responses_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace pelton::openai {
namespace {

using testing::HasSubstr;

ResponsesRequest parse(const std::string& fields) {
  return parse_responses_request(R"({"input": "Hi")" + std::string(fields.empty() ? "" : ", ") + fields + "}");
}
json::value json_of(const char* text) { return parse_json(text, "expected"); }
json::value chat_of(const std::string& items) {
  return parse_responses_request(R"({"input": [)" + items + "]}").chat.messages;
}

// The field at fault, which the message names too.
std::string fault_of(const std::string& body) {
  try {
    parse_responses_request(body);
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr(error.parameter())) << body;
    return error.parameter().empty() ? "?" : error.parameter();
  }
  return "";
}
std::string fault_of_item(const std::string& item) { return fault_of(R"({"input": [)" + item + "]}"); }

TEST(ResponsesRequest, ReadsEveryFieldAndRepeatsIt) {
  const ResponsesRequest request = parse(R"(
      "model": "m", "instructions": "Be brief.", "max_output_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3,
      "stream": true, "stream_options": {"include_obfuscation": false}, "user": "u", "store": false,
      "metadata": {"a": "b"}, "reasoning": {"effort": "low", "summary": "auto"}, "truncation": "disabled",
      "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
      "include": ["reasoning.encrypted_content"], "previous_response_id": null, "parallel_tool_calls": false)");
  const GenerationFields& fields = request.chat.generation;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 7);
  EXPECT_EQ(fields.temperature, 0.5);
  EXPECT_EQ(fields.top_p, 0.9);
  EXPECT_EQ(fields.seed, 3u);
  EXPECT_EQ(fields.client, "u");
  EXPECT_TRUE(fields.streams);
  EXPECT_EQ(fields.grammar->text, R"({"type":"object"})");
  EXPECT_EQ(request.chat.reasoning_effort, "low");
  EXPECT_FALSE(request.chat.tools.is_parallel);
  EXPECT_EQ(json::value(request.chat.messages),
            json_of(R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])"));
  const json::object& settings = request.settings;
  EXPECT_EQ(settings.at("instructions"), "Be brief.");
  EXPECT_EQ(settings.at("max_output_tokens"), 7);
  EXPECT_EQ(settings.at("metadata"), json_of(R"({"a": "b"})"));
  EXPECT_EQ(settings.at("reasoning").at("effort"), "low");
  EXPECT_EQ(settings.at("text").at("format").at("name"), "n");
  EXPECT_EQ(settings.at("parallel_tool_calls"), false);
  EXPECT_EQ(settings.at("store"), false);
}

TEST(ResponsesRequest, ToolsStandWithoutAnObjectRoundThem) {
  const ResponsesRequest request = parse(R"("tools": [{"type": "function", "name": "f", "description": "Does f.",
      "parameters": {"type": "object"}, "strict": true}, {"type": "function", "name": "g", "parameters": null}],
      "tool_choice": {"type": "function", "name": "g"})");
  EXPECT_EQ(json::value(request.chat.tools.definitions), json_of(R"([
      {"type": "function", "function": {"name": "f", "description": "Does f.", "parameters": {"type": "object"}}},
      {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}])"));
  EXPECT_EQ(request.chat.tools.named, "g");
  EXPECT_EQ(request.chat.tools.choice, ToolChoice::kRequired);
  EXPECT_EQ(request.settings.at("tools").as_array().size(), 2u);
}

TEST(ResponsesRequest, ItemsBecomeTurns) {
  EXPECT_EQ(chat_of(R"(
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}, {"type": "input_text", "text": "Now."}]},
      {"type": "message", "role": "user", "content": "Please."},
      {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "I ask."}]},
      {"type": "message", "id": "m", "status": "completed", "role": "assistant",
       "content": [{"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []}]},
      {"type": "function_call", "id": "f", "call_id": "c1", "name": "w", "arguments": "{\"city\": \"Paris\"}"},
      {"type": "function_call", "call_id": "c2", "name": "w", "arguments": "{"},
      {"type": "function_call_output", "call_id": "c1", "output": "21"},
      {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "broken"}]})"),
            json_of(R"([
      {"role": "system", "content": "Be brief."},
      {"role": "user", "content": "Weather?\nNow."},
      {"role": "user", "content": "Please."},
      {"role": "assistant", "content": "Let me see.", "reasoning_content": "I ask.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "w", "arguments": {"city": "Paris"}}},
        {"id": "c2", "type": "function", "function": {"name": "w", "arguments": "{"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "21"},
      {"role": "tool", "tool_call_id": "c2", "content": "broken"}])"));
}

TEST(ResponsesRequest, NamesWhatItRefuses) {
  EXPECT_EQ(fault_of("{}"), "input");
  EXPECT_EQ(fault_of(R"({"input": []})"), "input");
  EXPECT_EQ(fault_of(R"({"input": 7})"), "input");
  for (const auto& [fields, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"("max_tokens": 7)", "max_tokens"},
           {R"("n": 2)", "n"},
           {R"("response_format": {"type": "text"})", "response_format"},
           {R"("messages": [])", "messages"},
           {R"("store": true)", "store"},
           {R"("previous_response_id": "resp_1")", "previous_response_id"},
           {R"("conversation": "conv_1")", "conversation"},
           {R"("background": true)", "background"},
           {R"("truncation": "auto")", "truncation"},
           {R"("top_logprobs": 2)", "top_logprobs"},
           {R"("include": ["file_search_call.results"])", "include"},
           {R"("max_output_tokens": 0)", "max_output_tokens"},
           {R"("metadata": {"a": 1})", "metadata"},
           {R"("prompt_logprobs": 1)", "prompt_logprobs"},
           {R"("reasoning": {"effort": "extreme"})", "reasoning.effort"},
           {R"("reasoning": {"summary": "detailed"})", "reasoning.summary"},
           {R"("text": {"verbosity": "low"})", "text.verbosity"},
           {R"("text": {"format": {"type": "xml"}})", "text.format.type"},
           {R"("text": {"format": {"type": "json_schema", "name": "n"}})", "text.format.schema"},
           {R"("tools": [{"type": "web_search"}])", "tools[0].type"},
           {R"("tools": [{"type": "function", "name": "f", "defer_loading": true}])", "tools[0].defer_loading"},
           {R"("tool_choice": "required")", "tool_choice"},
           {R"("tool_choice": {"type": "allowed_tools"})", "tool_choice.type"},
       }) {
    EXPECT_EQ(fault_of(R"({"input": "Hi", )" + std::string(fields) + "}"), name) << fields;
  }
  EXPECT_EQ(fault_of_item(R"({"role": "tool", "content": "x"})"), "input[0].role");
  EXPECT_EQ(fault_of_item(R"({"type": "item_reference", "id": "m"})"), "input[0].type");
  EXPECT_EQ(fault_of_item(R"({"role": "user", "content": [{"type": "input_image"}]})"), "input[0].content[0].type");
  EXPECT_EQ(fault_of_item(R"({"type": "function_call", "name": "f", "arguments": "{}"})"), "input[0].call_id");
  EXPECT_EQ(fault_of_item(R"({"type": "function_call_output", "call_id": "c"})"), "input[0].output");
  EXPECT_EQ(fault_of_item(R"({"type": "reasoning", "summary": [], "encrypted_content": "x"})"),
            "input[0].encrypted_content");
}

}  // namespace
}  // namespace pelton::openai
