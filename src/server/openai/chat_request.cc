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
  const auto count = reader.integer(name, 1, std::numeric_limits<int32_t>::max());
  if (!count) return;
  if (request.generation.max_tokens && request.generation.max_tokens != count) {
    reader.fail(name, "the same value as max_tokens, its older name");
  }
  request.generation.max_tokens = count;
}

void read_template_variables(const JsonReader& reader, std::string_view name, Request& request) {
  const json::object* variables = reader.object(name);
  if (variables == nullptr) return;
  for (const std::string_view own : {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"}) {
    if (variables->contains(own)) reader.fail(name, "no \"" + std::string(own) + "\", which is given otherwise");
  }
  request.template_variables = *variables;
}

bool is_none_or_auto(const json::value& value) { return value == "none" || value == "auto"; }
bool is_text_only(const json::value& value) { return value == json::array{"text"}; }
bool is_text_format(const json::value& value) { return value == json::object{{"type", "text"}}; }
bool is_medium(const json::value& value) { return value == "medium"; }

constexpr Field<Request> kFields[] = {
    other<Request, read_messages_field>("messages"),
    other<Request, read_max_completion_tokens>("max_completion_tokens"),
    boolean<&Request::wants_logprobs>("logprobs"),
    integer<&Request::top_logprobs>("top_logprobs", 0, 20),
    other<Request, read_template_variables>("chat_template_kwargs"),
    ignored<Request>("parallel_tool_calls"),  // without tools there is nothing to call
    neutral_only<Request, is_empty>("tools"),
    neutral_only<Request, is_none_or_auto>("tool_choice"),
    neutral_only<Request, is_empty>("functions"),
    neutral_only<Request, is_none_or_auto>("function_call"),
    neutral_only<Request, is_text_format>("response_format"),
    neutral_only<Request, is_text_only>("modalities"),
    neutral_only<Request, is_none>("reasoning_effort"),
    neutral_only<Request, is_medium>("verbosity"),
    neutral_only<Request, is_never>("audio"),
    neutral_only<Request, is_never>("prediction"),
    neutral_only<Request, is_never>("web_search_options"),
    neutral_only<Request, is_never>("moderation"),
    neutral_only<Request, is_empty>("prompt_cache_options"),
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
