// What computes a step. The engine knows the model only through this, so that tests and the simulator can put a fake in
// its place.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "engine/page_pool.h"
#include "model/decoder.h"
#include "ops/executor.h"
#include "ops/largest_rows.h"

namespace pelton {

// Of steps that give hidden states, or a classifier's scores. A model that sees both directions takes whole sequences
// and no pages; of the others, pages behind those for answers are kept for them: this page_count, in layers of either
// kind.
struct EmbeddingLimits {
  int64_t width = 0;            // D, or the classifier's labels; 0: none of these
  int64_t token_count_max = 0;  // of a text
  int64_t page_count = 0;       // at least enough for one text
  bool is_bidirectional = false;
};

struct RunnerLimits {
  int64_t vocabulary_size = 0;  // V
  int64_t context_length = 0;   // positions of a sequence
  // Of all sequences, in layers that see all positions: at least one whole context. 0: there are none such.
  int64_t page_count = 0;
  // In layers with a window: at least what one sequence holds of a whole context. None: there are none such.
  std::optional<WindowPages> local_pages = {};
  int64_t page_token_count = KvLayerCache::kPageTokens;
  EmbeddingLimits embedding = {};

  bool can_generate() const {
    return page_count > 0 || (local_pages && local_pages->page_count > 0);
  }  // false: an encoder or a classifier
};

// Made, used and destroyed on one thread: the engine's.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  virtual RunnerLimits limits() const = 0;
  // Copies pages, one after the other, in layers that see all positions and in those with a window.
  virtual void copy_pages(std::span<const PageCopy> global, std::span<const PageCopy> local) = 0;
  // Logits [logit_rows.size(), V], valid until the next step. May throw: then the requests of this step fail and the
  // next step starts afresh.
  virtual std::span<const float> step(const StepBatch& batch) = 0;
  // The same, of each of these rows only its `count` largest among those that its mask lets through. `masks` is asked
  // when they are needed, if there are rows at all; empty: there are none.
  virtual const LargestRows& step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks) = 0;
  // The hidden states [logit_rows.size(), D], or a classifier's scores of these rows, valid until the next step.
  virtual std::span<const float> step_hidden(const StepBatch& batch) = 0;
  // Idle between steps: for what else is to be done with many rows.
  virtual Executor& executor() = 0;
};

using RunnerFactory = std::function<std::unique_ptr<StepRunner>()>;

}  // namespace pelton
