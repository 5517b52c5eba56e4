// The body of POST /v1/completions as a plain struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/openai/generation_fields.h"
#include "server/openai/prompt.h"

namespace pelton::openai {

struct CompletionRequest {
  GenerationFields generation;
  std::vector<Prompt> prompts;      // n choices each
  std::optional<int64_t> logprobs;  // alternatives a token
  std::optional<int64_t> best_of;   // so many answers to each prompt, of which `n` are shown; absent: n
  bool echoes = false;              // the prompt stands before the answer, with its log-probabilities if asked for
  bool parses_special = true;       // special tokens written in a prompt are those tokens
  bool adds_special = true;         // what the tokenizer puts round a text (BOS)
};

// Errors: kInvalidArgument, kUnsupported, with the field's name: broken JSON, a wrong type or value, an unknown field.
// Whether token ids lie in the vocabulary is for the engine to say.
CompletionRequest parse_completion_request(std::string_view body);

// The body as a JSON schema.
json::object completion_request_schema();

}  // namespace pelton::openai
