// What computes a step. The engine knows the model only through this, so that tests and the simulator can put a fake in
// its place.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "model/decoder.h"
#include "ops/executor.h"
#include "ops/largest_rows.h"

namespace pelton {

// Of steps that give hidden states. A model that sees both directions takes whole sequences and no pages; of the
// others, pages [page_count, page_count + this page_count) are kept for them.
struct EmbeddingLimits {
  int64_t width = 0;            // D; 0: no embeddings
  int64_t token_count_max = 0;  // of a text
  int64_t page_count = 0;       // at least enough for one text
  bool is_bidirectional = false;
};

struct RunnerLimits {
  int64_t vocabulary_size = 0;  // V
  int64_t context_length = 0;   // positions of a sequence
  int64_t page_count = 0;       // of all sequences; at least one whole context; 0: an encoder, which generates nothing
  int64_t page_token_count = KvLayerCache::kPageTokens;
  EmbeddingLimits embedding = {};
};

// Made, used and destroyed on one thread: the engine's.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  virtual RunnerLimits limits() const = 0;
  // Logits [logit_rows.size(), V], valid until the next step. May throw: then the requests of this step fail and the
  // next step starts afresh.
  virtual std::span<const float> step(const StepBatch& batch) = 0;
  // The same, of each of these rows only its `count` largest.
  virtual const LargestRows& step_largest(const StepBatch& batch, int64_t count) = 0;
  // The hidden states [logit_rows.size(), D], valid until the next step.
  virtual std::span<const float> step_hidden(const StepBatch& batch) = 0;
  // Idle between steps: for what else is to be done with many rows.
  virtual Executor& executor() = 0;
};

using RunnerFactory = std::function<std::unique_ptr<StepRunner>()>;

}  // namespace pelton
