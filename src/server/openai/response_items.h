// The `input` of POST /v1/responses: a text, or a list of items, brought into the form that chat templates expect.
#pragma once

#include <string>

#include "base/json.h"

namespace pelton::openai {

// Messages, reasoning, calls of functions and their results become turns: what of the assistant's follows each other is
// one. Errors with the field's path: kInvalidArgument (form, unknown role or field), kUnsupported (images, files, items
// that only OpenAI's service knows).
json::array read_response_input(const json::value& input, const std::string& path);

}  // namespace pelton::openai
