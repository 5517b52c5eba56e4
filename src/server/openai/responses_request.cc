#include "server/openai/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "server/openai/field_schema.h"
#include "server/openai/grammar_fields.h"
#include "server/openai/response_items.h"

namespace pelton::openai {
namespace {

using Request = ResponsesRequest;

void read_input(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* input = reader.value(name);
  if (input == nullptr) reader.fail(name, "a text or an array of items");
  request.chat.messages = read_response_input(*input, reader.path_of(name));
}

// After the input, before which it stands.
void read_instructions(const JsonReader& reader, std::string_view name, Request& request) {
  const auto text = reader.string(name);
  if (!text) return;
  request.settings[name] = *text;
  request.chat.messages.insert(request.chat.messages.begin(), json::object{{"role", "system"}, {"content", *text}});
}

void read_max_output_tokens(const JsonReader& reader, std::string_view name, Request& request) {
  read_max_tokens(reader, name, request.chat.generation);
  if (request.chat.generation.max_tokens) request.settings[name] = *request.chat.generation.max_tokens;
}

// Definitions without the object that stands round them in a chat.
void read_tools_field(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* tools = reader.array(name);
  if (tools == nullptr) return;
  check_tool_count(reader, name, tools->size());
  for (size_t i = 0; i < tools->size(); ++i) {
    const JsonReader tool = JsonReader::of((*tools)[i], fmt::format("{}[{}]", reader.path_of(name), i));
    const std::string type = tool.string("type").value_or("");
    if (type != "function") {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: tools of type \"{}\" run at OpenAI and are not supported, only \"function\"",
                              tool.path_of("type"), type),
                  tool.path_of("type"));
    }
    tool.refuse_others({"type", "name", "description", "parameters", "strict"});
    tool.boolean("strict");
    const json::object* parameters = tool.object("parameters");
    add_tool(tool, parameters, request.chat.tools);
    json::object function = {{"name", request.chat.tools.tools.back().name}};
    if (const auto description = tool.string("description")) function["description"] = *description;
    function["parameters"] = request.chat.tools.tools.back().parameters;
    json::object definition = {{"type", "function"}};
    definition["function"] = std::move(function);
    request.chat.tools.definitions.push_back(std::move(definition));
  }
  request.settings[name] = *tools;
}

void read_tool_choice_field(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  request.settings[name] = *value;
  if (!value->is_object()) return read_tool_choice(reader, name, request.chat.tools);
  const JsonReader choice(value->get_object(), reader.path_of(name));
  choice.refuse_others({"type", "name"});
  if (choice.string("type") != "function") choice.fail("type", "\"function\"");
  request.chat.tools.named = tool_name(choice);
  request.chat.tools.choice = ToolChoice::kRequired;
}

void read_parallel_tool_calls(const JsonReader& reader, std::string_view name, Request& request) {
  request.chat.tools.is_parallel = reader.boolean(name).value_or(true);
  request.settings[name] = request.chat.tools.is_parallel;
}

void read_verbosity(const JsonReader& text) {
  const auto verbosity = text.string("verbosity");
  if (verbosity && *verbosity != "medium") {
    throw Error(ErrorCode::kUnsupported, text.path_of("verbosity") + ": this value is not supported, only \"medium\"",
                text.path_of("verbosity"));
  }
}

void read_text(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* value = reader.object(name);
  if (value == nullptr) return;
  const JsonReader text(*value, reader.path_of(name));
  text.refuse_others({"format", "verbosity"});
  read_verbosity(text);
  const json::object* form = text.object("format");
  if (form == nullptr) return;
  request.settings[name] = {{"format", *form}};
  const JsonReader format(*form, text.path_of("format"));
  const std::string type = format.string("type").value_or("");
  if (type == "text") return format.refuse_others({"type"});
  request.chat.generation.grammar_field = text.path_of("format");
  if (type == "json_object") {
    format.refuse_others({"type"});
    request.chat.generation.grammar = GrammarSource::json_object();
    return;
  }
  if (type != "json_schema") format.fail("type", R"("text", "json_object" or "json_schema")");
  // Not strict, too, an answer is held to its schema.
  format.refuse_others({"type", "name", "description", "schema", "strict"});
  format.boolean("strict");
  if (format.object("schema") == nullptr) format.fail("schema", "a JSON schema");
  read_guided_json(format, "schema", request.chat.generation.grammar);
}

void read_reasoning(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* value = reader.object(name);
  if (value == nullptr) return;
  const JsonReader reasoning(*value, reader.path_of(name));
  reasoning.refuse_others({"effort", "summary", "generate_summary"});
  // What the model thinks is shown as it is; "auto" leaves that to us.
  for (const std::string_view summary : {"summary", "generate_summary"}) {
    const auto kind = reasoning.string(summary);
    if (!kind || *kind == "auto") continue;
    throw Error(ErrorCode::kUnsupported, reasoning.path_of(summary) + ": this value is not supported, only \"auto\"",
                reasoning.path_of(summary));
  }
  request.chat.reasoning_effort = read_effort(reasoning, "effort");
  request.settings[name] = {
      {"effort", request.chat.reasoning_effort ? json::value(*request.chat.reasoning_effort) : json::value()},
      {"summary", nullptr}};
}

// What a client may attach to a response: OpenAI's limits.
void read_metadata(const JsonReader& reader, std::string_view name, Request& request) {
  constexpr size_t kPairCountMax = 16;
  constexpr size_t kKeyBytesMax = 64;
  constexpr size_t kValueBytesMax = 512;
  const json::object* metadata = reader.object(name);
  if (metadata == nullptr) return;
  for (const auto& [key, value] : *metadata) {
    if (key.size() <= kKeyBytesMax && value.is_string() && value.get_string().size() <= kValueBytesMax) continue;
    reader.fail(name, fmt::format("strings of up to {} bytes, by names of up to {}", kValueBytesMax, kKeyBytesMax));
  }
  if (metadata->size() > kPairCountMax) reader.fail(name, fmt::format("at most {} pairs", kPairCountMax));
  request.settings[name] = *metadata;
}

// Reasoning comes in plain text, which does for the next request what encrypted content is for.
void read_include(const JsonReader& reader, std::string_view name, Request&) {
  const json::array* included = reader.array(name);
  if (included == nullptr) return;
  for (const json::value& kind : *included) {
    if (kind == "reasoning.encrypted_content") continue;
    const std::string path = reader.path_of(name);
    throw Error(ErrorCode::kUnsupported, path + ": only \"reasoning.encrypted_content\" is supported", path);
  }
}

constexpr Neutral kDisabled{"\"disabled\"", R"({"enum": ["disabled", null]})",
                            [](const json::value& value) { return value == "disabled"; }};
constexpr Neutral kZero{"0", R"({"enum": [0, null]})", [](const json::value& value) { return value == 0; }};

constexpr Field<Request> kFields[] = {
    other<Request, read_input>("input",
                               R"({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"anyOf": [
    {"type": "object", "properties": {"type": {"enum": ["message", null]}, "id": {}, "status": {}, "phase": {},
      "role": {"enum": ["user", "assistant", "system", "developer"]}, "content": {"anyOf": [{"type": "string"},
        {"type": "array", "items": {"type": "object", "properties": {"type": {"enum": ["input_text", "output_text"]},
          "text": {"type": "string"}, "annotations": {"type": ["array", "null"]},
          "logprobs": {"type": ["array", "null"]}}, "required": ["type", "text"], "additionalProperties": false}}]}},
      "required": ["role", "content"], "additionalProperties": false},
    {"type": "object", "properties": {"type": {"const": "function_call"}, "id": {}, "status": {},
      "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string"}},
      "required": ["type", "call_id", "name", "arguments"], "additionalProperties": false},
    {"type": "object", "properties": {"type": {"const": "function_call_output"}, "id": {}, "status": {},
      "call_id": {"type": "string"}, "name": {}, "output": {"type": "string"}},
      "required": ["type", "call_id", "output"], "additionalProperties": false},
    {"type": "object", "properties": {"type": {"const": "reasoning"}, "id": {}, "status": {},
      "summary": {"type": ["array", "null"]}, "content": {"type": ["array", "null"], "items": {"type": "object",
        "properties": {"type": {"const": "reasoning_text"}, "text": {"type": "string"}}, "required": ["type", "text"],
        "additionalProperties": false}}}, "required": ["type"], "additionalProperties": false}]}}]})"),
    other<Request, read_instructions>("instructions", R"({"type": ["string", "null"]})"),
    other<Request, read_max_output_tokens>("max_output_tokens", kMaxTokensSchema),
    other<Request, read_tools_field>(
        "tools", R"({"type": ["array", "null"], "maxItems": 128, "items": {"type": "object", "properties": {
    "type": {"const": "function"}, "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "description": {"type": ["string", "null"]}, "parameters": {"type": ["object", "null"]},
    "strict": {"type": ["boolean", "null"]}}, "required": ["type", "name"], "additionalProperties": false}})"),
    other<Request, read_tool_choice_field>(
        "tool_choice", R"({"anyOf": [{"enum": ["none", "auto", "required", null]}, {"type": "object", "properties": {
    "type": {"const": "function"}, "name": {"type": "string"}}, "required": ["type", "name"],
    "additionalProperties": false}]})"),
    other<Request, read_parallel_tool_calls>("parallel_tool_calls", R"({"type": ["boolean", "null"]})"),
    other<Request, read_text>("text",
                              R"({"type": ["object", "null"], "properties": {"verbosity": {"enum": ["medium", null]},
    "format": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"type": {"enum": ["text", "json_object"]}},
      "required": ["type"], "additionalProperties": false}, {"type": "object", "properties": {
      "type": {"const": "json_schema"}, "name": {}, "description": {}, "schema": {"type": "object"},
      "strict": {"type": ["boolean", "null"]}}, "required": ["type", "schema"], "additionalProperties": false}]}},
    "additionalProperties": false})"),
    other<Request, read_reasoning>(
        "reasoning",
        R"({"type": ["object", "null"], "properties": {"effort": {"enum": ["none", "minimal", "low", "medium", "high", null]},
    "summary": {"enum": ["auto", null]}, "generate_summary": {"enum": ["auto", null]}}, "additionalProperties": false})"),
    other<Request, read_metadata>("metadata", R"({"type": ["object", "null"], "maxProperties": 16,
    "additionalProperties": {"type": "string", "maxLength": 512}})"),
    other<Request, read_include>("include",
                                 R"({"type": ["array", "null"], "items": {"const": "reasoning.encrypted_content"}})"),
    ignored<Request>("max_tool_calls"),  // of OpenAI's own tools, of which there are none here
    neutral_only<Request, kAbsent>("previous_response_id"),
    neutral_only<Request, kAbsent>("conversation"),
    neutral_only<Request, kAbsent>("prompt"),
    neutral_only<Request, kFalse>("background"),
    neutral_only<Request, kDisabled>("truncation"),
    neutral_only<Request, kZero>("top_logprobs"),
    neutral_only<Request, kEmptyArray>("context_management"),
    neutral_only<Request, kAbsent>("moderation"),
    neutral_only<Request, kAbsent>("image"),
    neutral_only<Request, kAbsent>("access_programs"),
    neutral_only<Request, kAbsent>("background_options"),
    neutral_only<Request, kEmptyObject>("prompt_cache_options"),
};

// The common table without what this endpoint has under another name, or not at all.
std::span<const Field<GenerationFields>> common_fields() {
  static const std::vector<Field<GenerationFields>> kCommon = [] {
    constexpr std::string_view kOthers[] = {"max_tokens",      "n",
                                            "response_format", "structured_outputs",
                                            "guided_json",     "guided_regex",
                                            "guided_choice",   "guided_grammar",
                                            "metadata",        "use_beam_search",
                                            "num_beams",       "length_penalty",
                                            "early_stopping",  "prompt_logprobs"};
    std::vector<Field<GenerationFields>> fields;
    for (const Field<GenerationFields>& field : generation_fields()) {
      if (std::find(std::begin(kOthers), std::end(kOthers), field.name) == std::end(kOthers)) fields.push_back(field);
    }
    return fields;
  }();
  return kCommon;
}

}  // namespace

Request parse_responses_request(std::string_view body) {
  const json::value parsed = parse_json(body, "body");
  const JsonReader reader = JsonReader::of(parsed, "");
  const std::span<const Field<Request>> own_fields(kFields);
  refuse_unknown(parsed.get_object(), common_fields(), own_fields);
  Request request;
  request.settings = {{"instructions", nullptr},
                      {"max_output_tokens", nullptr},
                      {"metadata", json::object()},
                      {"parallel_tool_calls", true},
                      {"previous_response_id", nullptr},
                      {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
                      {"service_tier", "default"},
                      {"store", false},
                      {"text", {{"format", {{"type", "text"}}}}},
                      {"tool_choice", "auto"},
                      {"tools", json::array()},
                      {"top_logprobs", 0},
                      {"truncation", "disabled"}};
  read_fields(reader, common_fields(), request.chat.generation);
  read_fields(reader, own_fields, request);
  check(request.chat.generation);
  check(request.chat.tools);
  if (request.chat.tools.choice == ToolChoice::kRequired && request.chat.generation.grammar) {
    throw Error(ErrorCode::kInvalidArgument,
                "tool_choice: an answer that must call a tool has no other form (text.format)", "tool_choice");
  }
  return request;
}

json::object responses_request_schema() {
  return body_schema({"input"}, common_fields(), std::span<const Field<Request>>(kFields));
}

}  // namespace pelton::openai
