// The bodies of POST /v1/messages and /v1/messages/count_tokens as a plain struct: Anthropic's form of a chat.
#pragma once

#include <string_view>

#include "base/json.h"
#include "server/openai/chat_request.h"

namespace pelton::anthropic {

struct MessagesRequest {
  openai::ChatRequest chat;  // the same in the words of the other endpoints
  bool shows_thinking = true;
};

// Errors: kInvalidArgument, kUnsupported, with the field's name: broken JSON, a wrong type or value, an unknown field,
// no max_tokens.
MessagesRequest parse_messages_request(std::string_view body);
// The part that makes the prompt. Errors as above; max_tokens and what else only an answer has is unknown here.
MessagesRequest parse_count_request(std::string_view body);

// The body as a JSON schema.
json::object messages_request_schema();

// The body as a JSON schema.
json::object count_request_schema();

}  // namespace pelton::anthropic
