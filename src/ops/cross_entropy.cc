#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/softmax/softmax.h"
#include "ops/grain.h"
#include "ops/scratch.h"

namespace pelton {
namespace {

constexpr int64_t kOperationsOfALogit = 8;  // a maximum and one or two exponentials

}  // namespace

double cross_entropy(Executor& executor, const float* logits, const int32_t* targets, int64_t row_count,
                     int64_t vocabulary_size, float* d_logits) {
  const SoftmaxKernels& kernels = softmax_kernels(active_isa());
  const int64_t target_count = row_count - std::count(targets, targets + row_count, kIgnoredTarget);
  static thread_local Scratch<double> scratch;
  double* losses = scratch.reserve(row_count);

  const int64_t grain = parallel_grain(row_count, kOperationsOfALogit * vocabulary_size);
  executor.parallel_for(row_count, grain, [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* x = logits + row * vocabulary_size;
      float* d_x = d_logits == nullptr ? nullptr : d_logits + row * vocabulary_size;
      losses[row] = 0;
      if (targets[row] == kIgnoredTarget) {
        if (d_x != nullptr) std::fill_n(d_x, vocabulary_size, 0.0f);
        continue;
      }
      CHECK(targets[row] >= 0 && targets[row] < vocabulary_size);
      const float maximum = kernels.maximum(x, vocabulary_size);
      const double sum = kernels.sum_exp(x, maximum, vocabulary_size);
      losses[row] = std::log(sum) + maximum - x[targets[row]];
      if (d_x == nullptr) continue;
      const double count = static_cast<double>(target_count);
      kernels.scaled_exp(x, maximum, static_cast<float>(1 / (sum * count)), vocabulary_size, d_x);
      d_x[targets[row]] -= static_cast<float>(1 / count);
    }
  });

  double total = 0;
  for (int64_t row = 0; row < row_count; ++row) total += losses[row];
  return target_count == 0 ? 0 : total / static_cast<double>(target_count);
}

void target_log_probabilities(Executor& executor, const TargetLogits& rows, float* scores) {
  const SoftmaxKernels& kernels = softmax_kernels(active_isa());
  const int64_t size = rows.vocabulary_size;
  executor.parallel_for(rows.row_count, parallel_grain(rows.row_count, kOperationsOfALogit * size), [&](Range range) {
    for (int64_t row = range.begin; row < range.end; ++row) {
      const float* x = rows.logits + row * size;
      CHECK(rows.targets[row] >= 0 && rows.targets[row] < size);
      const float maximum = kernels.maximum(x, size);
      const double log_sum = std::log(kernels.sum_exp(x, maximum, size));
      scores[row] = static_cast<float>(static_cast<double>(x[rows.targets[row]]) - maximum - log_sum);
    }
  });
}

void target_log_probabilities_backward(Executor& executor, const TargetLogits& rows, const float* d_scores,
                                       float* d_logits) {
  const SoftmaxKernels& kernels = softmax_kernels(active_isa());
  const int64_t size = rows.vocabulary_size;
  executor.parallel_for(rows.row_count, parallel_grain(rows.row_count, kOperationsOfALogit * size), [&](Range range) {
    for (int64_t row = range.begin; row < range.end; ++row) {
      const float* x = rows.logits + row * size;
      float* d_x = d_logits + row * size;
      const float maximum = kernels.maximum(x, size);
      const double sum = kernels.sum_exp(x, maximum, size);
      kernels.scaled_exp(x, maximum, static_cast<float>(-static_cast<double>(d_scores[row]) / sum), size, d_x);
      d_x[rows.targets[row]] += d_scores[row];
    }
  });
}

void log_softmax(const float* logits, int64_t vocabulary_size, float* out) {
  CHECK(vocabulary_size >= 1);
  const SoftmaxKernels& kernels = softmax_kernels(active_isa());
  const float maximum = kernels.maximum(logits, vocabulary_size);
  const double log_sum = std::log(kernels.sum_exp(logits, maximum, vocabulary_size));
  kernels.subtract(logits, static_cast<float>(maximum + log_sum), vocabulary_size, out);
}

}  // namespace pelton
