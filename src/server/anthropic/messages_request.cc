#include "server/anthropic/messages_request.h"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "server/anthropic/content.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"
#include "server/openai/grammar_fields.h"

namespace pelton::anthropic {
namespace {

using openai::Field;
using openai::GenerationFields;
using Request = MessagesRequest;

constexpr int64_t kCountMax = std::numeric_limits<int64_t>::max();

void read_messages_field(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* messages = reader.array(name);
  if (messages == nullptr) reader.fail(name, "an array of messages");
  const json::array read = read_messages(*messages, reader.path_of(name));
  request.chat.messages.insert(request.chat.messages.end(), read.begin(), read.end());
}

void read_system(const JsonReader& reader, std::string_view name, Request& request) {
  const json::value* value = reader.value(name);
  if (value == nullptr) return;
  json::object message = {{"role", "system"}, {"content", read_text(*value, reader.path_of(name))}};
  request.chat.messages.insert(request.chat.messages.begin(), std::move(message));
}

void read_tool(const JsonReader& tool, openai::ToolFields& tools) {
  const std::string type = tool.string("type").value_or("custom");
  if (type != "custom") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: tools of type \"{}\" run at Anthropic and are not supported, only \"custom\"",
                            tool.path_of("type"), type),
                tool.path_of("type"));
  }
  tool.refuse_others(
      {"type", "name", "description", "input_schema", "cache_control", "strict", "eager_input_streaming"});
  check_cache_control(tool);
  tool.boolean("strict");
  tool.boolean("eager_input_streaming");  // arguments always stream as they come
  const json::object* schema = tool.object("input_schema");
  if (schema == nullptr) tool.fail("input_schema", "a JSON schema");
  openai::add_tool(tool, schema, tools);
  json::object function = {{"name", tools.tools.back().name}};
  if (const auto description = tool.string("description")) function["description"] = *description;
  function["parameters"] = *schema;
  json::object definition = {{"type", "function"}};
  definition["function"] = std::move(function);
  tools.definitions.push_back(std::move(definition));
}

void read_tools(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* tools = reader.array(name);
  if (tools == nullptr) return;
  openai::check_tool_count(reader, name, tools->size());
  for (size_t i = 0; i < tools->size(); ++i) {
    read_tool(JsonReader::of((*tools)[i], fmt::format("{}[{}]", reader.path_of(name), i)), request.chat.tools);
  }
}

void read_tool_choice(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* value = reader.object(name);
  if (value == nullptr) return;
  openai::ToolFields& tools = request.chat.tools;
  const JsonReader choice(*value, reader.path_of(name));
  choice.refuse_others({"type", "name", "disable_parallel_tool_use"});
  const std::string type = choice.string("type").value_or("");
  if (type == "none") {
    tools.choice = ToolChoice::kNone;
  } else if (type == "any") {
    tools.choice = ToolChoice::kRequired;
  } else if (type == "tool") {
    tools.choice = ToolChoice::kRequired;
    tools.named = openai::tool_name(choice);
  } else if (type != "auto") {
    choice.fail("type", R"("auto", "any", "tool" or "none")");
  }
  if (type != "tool" && choice.value("name") != nullptr) choice.fail("name", "none: only with \"type\": \"tool\"");
  tools.is_parallel = !choice.boolean("disable_parallel_tool_use").value_or(false);
}

void read_thinking(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* value = reader.object(name);
  if (value == nullptr) {
    request.chat.prefers_reasoning = false;  // Anthropic's default
    return;
  }
  const JsonReader thinking(*value, reader.path_of(name));
  thinking.refuse_others({"type", "budget_tokens", "display"});
  const std::string type = thinking.string("type").value_or("");
  const auto budget = thinking.integer("budget_tokens", 1, kCountMax);
  if (type == "enabled") {
    if (!budget) thinking.fail("budget_tokens", "the number of tokens to think for");
    request.chat.prefers_reasoning = true;
    request.chat.reasoning_budget = budget;
  } else if (type == "adaptive") {
    request.chat.prefers_reasoning = true;
  } else if (type == "disabled") {
    request.chat.reasoning_effort = "none";
  } else {
    thinking.fail("type", R"("enabled", "adaptive" or "disabled")");
  }
  if (budget && type != "enabled") thinking.fail("budget_tokens", "none: only with \"type\": \"enabled\"");
  const auto display = thinking.string("display");
  if (display && *display != "summarized" && *display != "omitted") {
    thinking.fail("display", R"("summarized" or "omitted")");
  }
  request.shows_thinking = display != "omitted";
}

void read_effort(const JsonReader& config, Request& request) {
  const auto effort = config.string("effort");
  if (!effort) return;
  if (*effort != "low" && *effort != "medium" && *effort != "high") {
    config.fail("effort", R"("low", "medium" or "high")");
  }
  if (request.chat.reasoning_effort) config.fail("effort", "none where thinking is disabled");
  request.chat.reasoning_effort = *effort;
}

// After "thinking", with which it may not agree.
void read_output_config(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* value = reader.object(name);
  if (value == nullptr) return;
  const JsonReader config(*value, reader.path_of(name));
  config.refuse_others({"effort", "format"});
  read_effort(config, request);
  const json::object* form = config.object("format");
  if (form == nullptr) return;
  const JsonReader format(*form, config.path_of("format"));
  format.refuse_others({"type", "schema"});
  if (format.string("type") != "json_schema") format.fail("type", "\"json_schema\"");
  if (format.object("schema") == nullptr) format.fail("schema", "a JSON schema");
  openai::read_guided_json(format, "schema", request.chat.generation.grammar);
  request.chat.generation.grammar_field = format.path_of("schema");
}

void read_cache_control(const JsonReader& reader, std::string_view, Request&) { check_cache_control(reader); }

void read_top_p(const JsonReader& reader, std::string_view name, GenerationFields& fields) {
  fields.top_p = reader.number(name, 0, 1);
  if (fields.top_p && !(*fields.top_p > 0)) reader.fail(name, "a number above 0 and at most 1");
}

void read_stops(const JsonReader& reader, std::string_view name, GenerationFields& fields) {
  if (reader.array(name) != nullptr) openai::read_stop(reader, name, fields);
}

// Whose fair part of the machine this is.
void read_metadata(const JsonReader& reader, std::string_view name, GenerationFields& fields) {
  const json::object* value = reader.object(name);
  if (value == nullptr) return;
  const JsonReader metadata(*value, reader.path_of(name));
  metadata.refuse_others({"user_id"});
  fields.client = metadata.string("user_id").value_or("");
}

constexpr openai::Neutral kPlainTier{
    "\"auto\" or \"standard_only\"", R"({"enum": ["auto", "standard_only", null]})",
    [](const json::value& value) { return value == "auto" || value == "standard_only"; }};
constexpr openai::Neutral kStandardSpeed{"\"standard\"", R"({"enum": ["standard", null]})",
                                         [](const json::value& value) { return value == "standard"; }};

// What makes the prompt, and what an answer has beside it.
constexpr Field<Request> kPromptFields[] = {
    openai::other<Request, read_messages_field>(
        "messages", R"({"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
    "role": {"enum": ["user", "assistant", "system"]}, "content": {"anyOf": [{"type": "string"},
      {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
        "type": {"enum": ["text", "thinking", "tool_use", "tool_result"]}, "text": {"type": "string"},
        "thinking": {"type": "string"}, "signature": {"type": ["string", "null"]}, "id": {"type": "string"},
        "name": {"type": "string"}, "input": {"type": "object"}, "tool_use_id": {"type": "string"},
        "content": {"type": ["string", "array", "null"]}, "is_error": {"type": ["boolean", "null"]},
        "caller": {"type": ["object", "null"]}, "toolset_name": {"type": "null"},
        "citations": {"type": ["array", "null"], "maxItems": 0}, "cache_control": {"type": ["object", "null"]}},
        "required": ["type"], "additionalProperties": false}}]}},
    "required": ["role", "content"], "additionalProperties": false}})"),
    openai::other<Request, read_system>(
        "system", R"({"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}, "cache_control": {"type": ["object", "null"]},
      "citations": {"type": ["array", "null"], "maxItems": 0}}, "required": ["type", "text"],
    "additionalProperties": false}}]})"),  // after the messages, before which it stands
    openai::other<Request, read_tools>(
        "tools", R"({"type": ["array", "null"], "maxItems": 128, "items": {"type": "object", "properties": {
    "type": {"enum": ["custom", null]}, "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "description": {"type": ["string", "null"]}, "input_schema": {"type": "object"},
    "cache_control": {"type": ["object", "null"]}, "strict": {"type": ["boolean", "null"]},
    "eager_input_streaming": {"type": ["boolean", "null"]}}, "required": ["name", "input_schema"],
    "additionalProperties": false}})"),
    openai::other<Request, read_tool_choice>(
        "tool_choice", R"({"type": ["object", "null"], "properties": {"type": {"enum": ["auto", "any", "tool", "none"]},
    "name": {"type": ["string", "null"]}, "disable_parallel_tool_use": {"type": ["boolean", "null"]}}, "required": ["type"],
    "additionalProperties": false})"),
    openai::other<Request, read_thinking>(
        "thinking",
        R"({"type": ["object", "null"], "properties": {"type": {"enum": ["enabled", "adaptive", "disabled"]},
    "budget_tokens": {"type": ["integer", "null"], "minimum": 1}, "display": {"enum": ["summarized", "omitted", null]}},
    "required": ["type"], "additionalProperties": false})"),
    openai::other<Request, read_output_config>(
        "output_config",
        R"({"type": ["object", "null"], "properties": {"effort": {"enum": ["low", "medium", "high", null]},
    "format": {"type": ["object", "null"], "properties": {"type": {"const": "json_schema"}, "schema": {"type": "object"}},
      "required": ["type", "schema"], "additionalProperties": false}}, "additionalProperties": false})"),
    openai::other<Request, read_cache_control>(
        "cache_control",
        R"({"type": ["object", "null"], "properties": {"type": {"const": "ephemeral"}, "ttl": {"enum": ["5m", "1h", null]}},
    "required": ["type"], "additionalProperties": false})"),
    openai::neutral_only<Request, kStandardSpeed>("speed"),
    openai::neutral_only<Request, openai::kAbsent>("container"),
    openai::neutral_only<Request, openai::kAbsent>("context_management"),
    openai::neutral_only<Request, openai::kAbsent>("diagnostics"),
    openai::neutral_only<Request, openai::kAbsent>("inference_geo"),
    openai::neutral_only<Request, openai::kEmptyArray>("mcp_servers"),
};
constexpr Field<GenerationFields> kModelFields[] = {
    openai::string<&GenerationFields::model>("model"),
};
constexpr Field<GenerationFields> kAnswerFields[] = {
    openai::string<&GenerationFields::model>("model"),
    openai::other<GenerationFields, openai::read_max_tokens>("max_tokens", R"({"type": "integer", "minimum": 1})"),
    openai::number<&GenerationFields::temperature>("temperature", 0, SamplingParameters::kTemperatureMax),
    openai::other<GenerationFields, read_top_p>("top_p",
                                                R"({"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1})"),
    openai::integer<&GenerationFields::top_k>("top_k", 0, kCountMax),
    openai::other<GenerationFields, read_stops>(
        "stop_sequences",
        R"({"type": ["array", "null"], "items": {"type": "string", "minLength": 1}, "maxItems": 64})"),
    openai::boolean<&GenerationFields::streams>("stream"),
    openai::other<GenerationFields, read_metadata>(
        "metadata", R"({"type": ["object", "null"], "properties": {"user_id": {"type": ["string", "null"]}},
    "additionalProperties": false})"),
    openai::neutral_only<GenerationFields, kPlainTier>("service_tier"),
};

Request parse(std::string_view body, std::span<const Field<GenerationFields>> generation_fields) {
  const json::value parsed = parse_json(body, "body");
  const JsonReader reader = JsonReader::of(parsed, "");
  const std::span<const Field<Request>> prompt_fields(kPromptFields);
  openai::refuse_unknown(parsed.get_object(), prompt_fields, generation_fields);
  Request request;
  openai::read_fields(reader, generation_fields, request.chat.generation);
  openai::read_fields(reader, prompt_fields, request);
  openai::check(request.chat.tools);
  return request;
}

}  // namespace

Request parse_messages_request(std::string_view body) {
  Request request = parse(body, kAnswerFields);
  if (!request.chat.generation.max_tokens) {
    throw Error(ErrorCode::kInvalidArgument, "max_tokens: missing", "max_tokens");
  }
  if (request.chat.tools.choice == ToolChoice::kRequired && request.chat.generation.grammar) {
    throw Error(ErrorCode::kInvalidArgument,
                "tool_choice: an answer that must call a tool has no other form (output_config.format)", "tool_choice");
  }
  return request;
}

Request parse_count_request(std::string_view body) { return parse(body, kModelFields); }

json::object messages_request_schema() {
  return openai::body_schema({"max_tokens", "messages"}, std::span<const Field<GenerationFields>>(kAnswerFields),
                             std::span<const Field<Request>>(kPromptFields));
}

json::object count_request_schema() {
  return openai::body_schema({"messages"}, std::span<const Field<GenerationFields>>(kModelFields),
                             std::span<const Field<Request>>(kPromptFields));
}

}  // namespace pelton::anthropic
