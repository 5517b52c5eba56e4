// The body of POST /v1/chat/completions as a plain struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/openai/generation_fields.h"
#include "server/openai/tool_fields.h"

namespace pelton::openai {

struct ChatRequest {
  GenerationFields generation;
  json::array messages;             // as chat templates expect them
  json::object template_variables;  // chat_template_kwargs
  ToolFields tools;
  std::optional<std::string> reasoning_effort;  // absent: the model's own way
  std::optional<int64_t> reasoning_budget;      // tokens
  std::optional<bool> prefers_reasoning;        // told to templates that ask (enable_thinking)
  bool wants_logprobs = false;
  std::optional<int64_t> top_logprobs;

  std::optional<int64_t> logprobs() const {
    return wants_logprobs ? std::optional(top_logprobs.value_or(0)) : std::nullopt;
  }
};

// Absent: null or not there. Error kInvalidArgument: no effort that there is.
std::optional<std::string> read_effort(const JsonReader& reader, std::string_view name);

// Errors: kInvalidArgument, kUnsupported, with the field's name: broken JSON, a wrong type or value, an unknown field.
ChatRequest parse_chat_request(std::string_view body);

// The body as a JSON schema.
json::object chat_request_schema();

}  // namespace pelton::openai
