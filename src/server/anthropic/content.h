// Messages in Anthropic's form, checked and brought into the form that chat templates expect (OpenAI's).
#pragma once

#include <string>

#include "base/json.h"

namespace pelton::anthropic {

// A string, or an array of text blocks, joined by line breaks. Errors with the field's path: kInvalidArgument (form),
// kUnsupported (blocks that are no text).
std::string read_text(const json::value& value, const std::string& path);

// `messages[i]`: blocks become {"role", "content", "reasoning_content", "tool_calls"} and, for each result of a tool,
// {"role": "tool", …}; turns of one role that follow each other are one, as Anthropic has it.
// Errors with the field's path: kInvalidArgument (form, unknown role or block or field), kUnsupported (images,
// documents, Anthropic's own tools; an answer that was begun in the last message).
json::array read_messages(const json::array& messages, const std::string& path);

// Error kInvalidArgument: not of its form. It has no effect: what prompts share is always found.
void check_cache_control(const JsonReader& reader);

}  // namespace pelton::anthropic
