// Messages of a chat in OpenAI's form, checked and brought into the form that chat templates expect.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton::openai {

inline constexpr std::string_view kMessagesSchema =
    R"({"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
    "content": {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "object",
      "properties": {"type": {"const": "text"}, "text": {"type": "string"}}, "required": ["type", "text"],
      "additionalProperties": false}}]},
    "name": {"type": ["string", "null"]}, "tool_call_id": {"type": ["string", "null"]},
    "reasoning_content": {"type": ["string", "null"]}, "refusal": {"type": "null"}, "audio": {"type": "null"},
    "function_call": {"type": "null"}, "annotations": {"type": ["array", "null"], "maxItems": 0},
    "tool_calls": {"type": ["array", "null"], "items": {"type": "object", "properties": {
      "id": {"type": ["string", "null"]}, "type": {"enum": ["function", null]}, "function": {"type": "object",
        "properties": {"name": {"type": "string"}, "arguments": {"type": ["string", "null"]}}, "required": ["name"],
        "additionalProperties": false}}, "required": ["function"], "additionalProperties": false}}},
    "additionalProperties": false}})";

// `messages[i]` → {"role", "content", …}: contents are plain strings (text parts are joined by line breaks, as vLLM and
// llama.cpp do), "developer" is "system", fields without a value are gone.
// Errors, with the field's path: kInvalidArgument (form, unknown role or field), kUnsupported (images, audio, files).
json::array read_messages(const json::array& messages, const std::string& path);

// Templates write a call's arguments as JSON, so they want the object and not its text. What is no object they get as
// it is.
json::value arguments_of(const std::string& text);

}  // namespace pelton::openai
