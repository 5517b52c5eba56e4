// The body of POST /v1/responses as a plain struct. Nothing is kept: "store" is false, and who goes on with a response
// sends its items along, so "previous_response_id" is refused.
#pragma once

#include <string_view>

#include "server/openai/chat_request.h"

namespace pelton::openai {

struct ResponsesRequest {
  ChatRequest chat;       // the same in the words of the other endpoints
  json::object settings;  // what an answer repeats of the request, with the values of what it leaves out
};

// Errors: kInvalidArgument, kUnsupported, with the field's name: broken JSON, a wrong type or value, an unknown field.
ResponsesRequest parse_responses_request(std::string_view body);

// The body as a JSON schema.
json::object responses_request_schema();

}  // namespace pelton::openai
