// POST /v1/embeddings: its body as a plain struct, and its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/openai/prompt.h"

namespace pelton::openai {

struct EmbeddingsRequest {
  std::optional<std::string> model;
  std::vector<Prompt> inputs;
  bool is_base64 = false;
  std::optional<int64_t> dimensions;
};

// Errors: kInvalidArgument, kUnsupported, with the field's name, as the other endpoints.
EmbeddingsRequest parse_embeddings_request(std::string_view body);

// is_base64: each embedding as the bytes of its float32 numbers, little-endian.
json::object embeddings_answer(const std::vector<std::vector<float>>& embeddings, bool is_base64,
                               const std::string& model, int64_t token_count);

// The body as a JSON schema.
json::object embeddings_request_schema();

}  // namespace pelton::openai
