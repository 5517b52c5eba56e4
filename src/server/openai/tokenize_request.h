// The bodies of POST /tokenize, /detokenize and /apply-template as plain structs: vLLM's form, and llama.cpp's names
// for the same fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/token_id.h"

namespace pelton::openai {

struct TokenizeRequest {
  std::optional<std::string> model;
  std::optional<std::string> prompt;        // a text,
  std::optional<ChatTemplate::Input> chat;  // or a chat
  bool adds_special = true;
  bool parses_special = true;
  bool returns_strings = false;
};

struct DetokenizeRequest {
  std::optional<std::string> model;
  std::vector<TokenId> tokens;
};

struct TemplateRequest {
  std::optional<std::string> model;
  ChatTemplate::Input chat;
};

// Errors: kInvalidArgument, with the field's name: broken JSON, a wrong type or value, an unknown field, both or
// neither of a text and a chat.
TokenizeRequest parse_tokenize_request(std::string_view body);
DetokenizeRequest parse_detokenize_request(std::string_view body);
TemplateRequest parse_template_request(std::string_view body);

// The body as a JSON schema.
json::object tokenize_request_schema();

// The body as a JSON schema.
json::object detokenize_request_schema();

// The body as a JSON schema.
json::object template_request_schema();

}  // namespace pelton::openai
