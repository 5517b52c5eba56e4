#include "server/served_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pelton {

bool ServedModel::is_named(const std::string& name) const {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void require_generation(const ServedModel& model) {
  if (model.engine->can_generate()) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the model {} answers {} and generates no text", model.names.front(),
                          model.engine->can_classify() ? "/classify and /v1/rerank" : "/v1/embeddings"),
              "model");
}

size_t prompt_bytes_max(const Engine& engine) {
  const Tokenizer& tokenizer = *engine.bundle().tokenizer;
  size_t longest = 1;
  for (int32_t token = 0; token < tokenizer.vocabulary_size(); ++token) {
    longest = std::max(longest, tokenizer.token_bytes(TokenId{token}).size());
  }
  return static_cast<size_t>(engine.context_length()) * longest;
}

}  // namespace pelton
