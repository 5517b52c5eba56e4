// Text as OpenAI's endpoints take it: a string, an array of token ids, or an array of either.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/token_id.h"

namespace pelton::openai {

inline constexpr std::string_view kPromptsSchema =
    R"({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
    {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"},
      {"type": "array", "items": {"type": "integer", "minimum": 0}}]}}]})";

using Prompt = std::variant<std::string, std::vector<TokenId>>;

// Error kInvalidArgument with the field's name: it is missing, of another form, or holds more than `count_max`.
std::vector<Prompt> read_prompts(const JsonReader& reader, std::string_view name, size_t count_max);

}  // namespace pelton::openai
