// Messages of a chat in OpenAI's form, checked and brought into the form that chat templates expect.
#pragma once

#include <string>

#include "base/json.h"

namespace pelton::openai {

// `messages[i]` → {"role", "content", …}: contents are plain strings (text parts are joined by line breaks, as vLLM and
// llama.cpp do), "developer" is "system", fields without a value are gone.
// Errors, with the field's path: kInvalidArgument (form, unknown role or field), kUnsupported (images, audio, files).
json::array read_messages(const json::array& messages, const std::string& path);

// Templates write a call's arguments as JSON, so they want the object and not its text. What is no object they get as
// it is.
json::value arguments_of(const std::string& text);

}  // namespace pelton::openai
