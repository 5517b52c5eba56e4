// POST /classify, as vLLM has it: its body as a plain struct, and its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/classifier.h"
#include "server/openai/prompt.h"

namespace pelton::openai {

struct ClassifyRequest {
  std::optional<std::string> model;
  std::vector<Prompt> inputs;
  json::array messages;  // instead of inputs: one chat, as a reward model reads it
  bool uses_activation = true;
};

// Errors: kInvalidArgument, kUnsupported, with the field's name, as the other endpoints.
ClassifyRequest parse_classify_request(std::string_view body);

// [inputs][labels], as the model gives them. `probs` of each are what `activation` makes of them.
json::object classify_answer(std::vector<std::vector<float>> scores, const ClassifierSettings& classifier,
                             ScoreActivation activation, const std::string& id, const std::string& model,
                             int64_t created, int64_t token_count);

// The body as a JSON schema.
json::object classify_request_schema();

}  // namespace pelton::openai
