// Mean next-token cross-entropy over rows of logits.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

inline constexpr int32_t kIgnoredTarget = -100;  // as PyTorch's ignore_index: the row has no target

// logits [T, V], targets [T]. Returns the mean of -log softmax(logits)[target] over the rows with a target (sums in double, in row order); 0 where there is none.
// d_logits [T, V] (null: not wanted) is assigned: (softmax - onehot) / count.
double cross_entropy(Executor& executor, const float* logits, const int32_t* targets, int64_t row_count, int64_t vocabulary_size,
                     float* d_logits);

// out [V] = log softmax(logits [V]); may be in place.
void log_softmax(const float* logits, int64_t vocabulary_size, float* out);

}  // namespace pelton
