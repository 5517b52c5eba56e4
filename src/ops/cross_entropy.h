// Mean next-token cross-entropy over rows of logits, and the log-probabilities of single targets, from which other
// losses are made.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

inline constexpr int32_t kIgnoredTarget = -100;  // as PyTorch's ignore_index: the row has no target

// logits [T, V], targets [T], each in [0, V) or kIgnoredTarget. Returns the mean of -log softmax(logits)[target] over
// the rows with a target (sums in double, in row order); 0 where there is none. d_logits [T, V] (null: not wanted; may
// be logits) is assigned: (softmax - onehot) / count, zero in rows without a target.
double cross_entropy(Executor& executor, const float* logits, const int32_t* targets, int64_t row_count,
                     int64_t vocabulary_size, float* d_logits);

// Rows that all have a target.
struct TargetLogits {
  const float* logits;     // [T, V]
  const int32_t* targets;  // [T], each in [0, V)
  int64_t row_count;
  int64_t vocabulary_size;
};
// scores [T] = log softmax(logits)[target].
void target_log_probabilities(Executor& executor, const TargetLogits& rows, float* scores);
// d_logits [T, V] = d_scores [T] · (onehot - softmax); assigned, may be the logits.
void target_log_probabilities_backward(Executor& executor, const TargetLogits& rows, const float* d_scores,
                                       float* d_logits);

// out [V] = log softmax(logits [V]); may be in place. V >= 1.
void log_softmax(const float* logits, int64_t vocabulary_size, float* out);

}  // namespace pelton
