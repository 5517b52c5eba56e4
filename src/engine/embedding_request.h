// What is asked of the engine beside answers: embeddings of texts, or scores of texts by a classifier.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/embedding_settings.h"
#include "text/token_id.h"
#include "text/tokenizer.h"

namespace pelton {

struct EmbeddingRequest {
  std::vector<std::vector<TokenId>> inputs;  // at least one, none empty; special tokens included
  // Of each input, which of two texts its tokens belong to; empty: all to the first.
  std::vector<std::vector<int32_t>> token_types = {};
  Pooling pooling = Pooling::kMean;
  bool normalizes = true;
  std::optional<int64_t> dimensions;  // keeps the first so many and, where it normalizes, makes these of length 1
};

struct ClassificationRequest {
  std::vector<TokenPair> inputs;  // at least one, none empty; special tokens included
};

// Receives a request's embeddings, [inputs][D or `dimensions`], or scores, [inputs][labels], or why there are none.
// Called once, on the engine's thread; must not block.
class EmbeddingSink {
 public:
  virtual ~EmbeddingSink() = default;
  virtual void on_finish(std::vector<std::vector<float>> embeddings) = 0;
  virtual void on_error(const Error& error) = 0;
};

}  // namespace pelton
