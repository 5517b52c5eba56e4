#include "server/openai/chat_request.h"

#include <string>

#include "server/openai/chat_message.h"

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

constexpr Neutral kNoneOrAuto{"\"none\" or \"auto\"",
                              [](const json::value& value) { return value == "none" || value == "auto"; }};
constexpr Neutral kTextOnly{"[\"text\"]", [](const json::value& value) { return value == json::array{"text"}; }};
constexpr Neutral kTextFormat{"{\"type\":\"text\"}", [](const json::value& value) {
                                return value == json::object{{"type", "text"}};
                              }};
constexpr Neutral kMedium{"\"medium\"", [](const json::value& value) { return value == "medium"; }};

constexpr Field<Request> kFields[] = {
    other<Request, read_messages_field>("messages"),
    other<Request, read_max_completion_tokens>("max_completion_tokens"),
    boolean<&Request::wants_logprobs>("logprobs"),
    integer<&Request::top_logprobs>("top_logprobs", 0, SamplingParameters::kLogprobsMax),
    other<Request, read_template_variables>("chat_template_kwargs"),
    ignored<Request>("parallel_tool_calls"),  // without tools there is nothing to call
    neutral_only<Request, kEmptyArray>("tools"),
    neutral_only<Request, kNoneOrAuto>("tool_choice"),
    neutral_only<Request, kEmptyArray>("functions"),
    neutral_only<Request, kNoneOrAuto>("function_call"),
    neutral_only<Request, kTextFormat>("response_format"),
    neutral_only<Request, kTextOnly>("modalities"),
    neutral_only<Request, kNone>("reasoning_effort"),
    neutral_only<Request, kMedium>("verbosity"),
    neutral_only<Request, kAbsent>("audio"),
    neutral_only<Request, kAbsent>("prediction"),
    neutral_only<Request, kAbsent>("web_search_options"),
    neutral_only<Request, kAbsent>("moderation"),
    neutral_only<Request, kEmptyObject>("prompt_cache_options"),
};

}  // namespace

ChatRequest parse_chat_request(std::string_view body) {
  ChatRequest request;
  read_generation_request(parse_json(body, "body"), std::span<const Field<Request>>(kFields), request);
  if (request.top_logprobs && !request.wants_logprobs) {
    throw Error(ErrorCode::kInvalidArgument, "top_logprobs: only with \"logprobs\": true", "top_logprobs");
  }
  return request;
}

}  // namespace pelton::openai
