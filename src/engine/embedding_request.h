// What is asked of the engine beside answers: the embeddings of texts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/embedding_settings.h"
#include "text/token_id.h"

namespace pelton {

struct EmbeddingRequest {
  std::vector<std::vector<TokenId>> inputs;  // at least one, none empty; special tokens included
  Pooling pooling = Pooling::kMean;
  bool normalizes = true;
  std::optional<int64_t> dimensions;  // keeps the first so many and, where it normalizes, makes these of length 1
};

// Receives a request's embeddings, [inputs][D or `dimensions`], or why there are none. Called once, on the engine's
// thread; must not block.
class EmbeddingSink {
 public:
  virtual ~EmbeddingSink() = default;
  virtual void on_finish(std::vector<std::vector<float>> embeddings) = 0;
  virtual void on_error(const Error& error) = 0;
};

}  // namespace pelton
