#include "server/openai/chat_request.h"

#include <limits>
#include <string>

#include "server/openai/chat_message.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

using Request = ChatRequest;

void read_messages_field(const JsonReader& reader, std::string_view name, Request& request) {
  const json::array* messages = reader.array(name);
  if (messages == nullptr) reader.fail(name, "an array of messages");
  request.messages = read_messages(*messages, reader.path_of(name));
}

// The newer name of max_tokens, which the common table has read before.
void read_max_completion_tokens(const JsonReader& reader, std::string_view name, Request& request) {
  read_max_tokens(reader, name, request.generation);
}

void read_template_variables(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* variables = reader.object(name);
  if (variables == nullptr) return;
  for (const std::string_view own : {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"}) {
    if (variables->contains(own)) reader.fail(name, "no \"" + std::string(own) + "\", which is given otherwise");
  }
  request.template_variables = *variables;
}

void read_tools_field(const JsonReader& reader, std::string_view name, Request& request) {
  read_tools(reader, name, request.tools);
}

void read_tool_choice_field(const JsonReader& reader, std::string_view name, Request& request) {
  read_tool_choice(reader, name, request.tools);
}

void read_parallel_tool_calls(const JsonReader& reader, std::string_view name, Request& request) {
  request.tools.is_parallel = reader.boolean(name).value_or(true);
}

void read_reasoning_effort(const JsonReader& reader, std::string_view name, Request& request) {
  request.reasoning_effort = read_effort(reader, name);
}

// Under whichever of its names: ours and llama.cpp's, or vLLM's. -1: none.
void read_reasoning_budget(const JsonReader& reader, std::string_view name, Request& request) {
  const std::optional<int64_t> count = reader.integer(name, -1, std::numeric_limits<int64_t>::max());
  if (count && *count >= 0) request.reasoning_budget = count;
}

constexpr Neutral kNoneOrAuto{"\"none\" or \"auto\"", R"({"enum": ["none", "auto", null]})",
                              [](const json::value& value) { return value == "none" || value == "auto"; }};
constexpr Neutral kTextOnly{"[\"text\"]", R"({"enum": [["text"], null]})",
                            [](const json::value& value) { return value == json::array{"text"}; }};
constexpr Neutral kMedium{"\"medium\"", R"({"enum": ["medium", null]})",
                          [](const json::value& value) { return value == "medium"; }};

constexpr Field<Request> kFields[] = {
    other<Request, read_messages_field>("messages", kMessagesSchema),
    other<Request, read_max_completion_tokens>("max_completion_tokens", kMaxTokensSchema),
    boolean<&Request::wants_logprobs>("logprobs"),
    integer<&Request::top_logprobs>("top_logprobs", 0, SamplingParameters::kLogprobsMax),
    other<Request, read_template_variables>("chat_template_kwargs", R"({"type": ["object", "null"]})"),
    other<Request, read_tools_field>(
        "tools", R"({"type": ["array", "null"], "maxItems": 128, "items": {"type": "object", "properties": {
    "type": {"const": "function"}, "function": {"type": "object", "properties": {
      "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "description": {"type": ["string", "null"]},
      "parameters": {"type": ["object", "null"]}, "strict": {"type": ["boolean", "null"]}}, "required": ["name"],
      "additionalProperties": false}}, "required": ["type", "function"], "additionalProperties": false}})"),
    other<Request, read_tool_choice_field>(
        "tool_choice", R"({"anyOf": [{"enum": ["none", "auto", "required", null]}, {"type": "object", "properties": {
    "type": {"const": "function"}, "function": {"type": "object", "properties": {"name": {"type": "string"}},
      "required": ["name"], "additionalProperties": false}}, "required": ["type", "function"],
    "additionalProperties": false}]})"),
    other<Request, read_parallel_tool_calls>("parallel_tool_calls", R"({"type": ["boolean", "null"]})"),
    neutral_only<Request, kEmptyArray>("functions"),
    neutral_only<Request, kNoneOrAuto>("function_call"),
    neutral_only<Request, kTextOnly>("modalities"),
    other<Request, read_reasoning_effort>("reasoning_effort",
                                          R"({"enum": ["none", "minimal", "low", "medium", "high", null]})"),
    other<Request, read_reasoning_budget>("reasoning_budget", R"({"type": ["integer", "null"], "minimum": -1})"),
    other<Request, read_reasoning_budget>("thinking_token_budget", R"({"type": ["integer", "null"], "minimum": -1})"),
    neutral_only<Request, kMedium>("verbosity"),
    neutral_only<Request, kAbsent>("audio"),
    neutral_only<Request, kAbsent>("prediction"),
    neutral_only<Request, kAbsent>("web_search_options"),
    neutral_only<Request, kAbsent>("moderation"),
    neutral_only<Request, kEmptyObject>("prompt_cache_options"),
};

}  // namespace

std::optional<std::string> read_effort(const JsonReader& reader, std::string_view name) {
  std::optional<std::string> effort = reader.string(name);
  if (!effort) return effort;
  for (const std::string_view known : {"none", "minimal", "low", "medium", "high"}) {
    if (*effort == known) return effort;
  }
  reader.fail(name, R"("none", "minimal", "low", "medium" or "high")");
}

ChatRequest parse_chat_request(std::string_view body) {
  ChatRequest request;
  read_generation_request(parse_json(body, "body"), std::span<const Field<Request>>(kFields), request);
  check(request.tools);
  if (request.tools.choice == ToolChoice::kRequired && request.generation.grammar) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "tool_choice: an answer that must call a tool has no other form (" + request.generation.grammar_field + ")",
        "tool_choice");
  }
  if (request.top_logprobs && !request.wants_logprobs) {
    throw Error(ErrorCode::kInvalidArgument, "top_logprobs: only with \"logprobs\": true", "top_logprobs");
  }
  return request;
}

json::object chat_request_schema() {
  return body_schema({"messages"}, generation_fields(), std::span<const Field<Request>>(kFields));
}

}  // namespace pelton::openai
