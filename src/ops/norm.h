// Root-mean-square normalisation (Zhang, Sennrich 2019, arXiv 1910.07467).
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

// y [T, D] = x / sqrt(mean(x²) + epsilon) · weight [D]. y may be x.
void rms_norm(Executor& executor, const float* x, const float* weight, float epsilon, int64_t row_count, int64_t width,
              float* y);

struct RmsNormGradients {
  float* d_x;       // [T, D], assigned; may be d_y
  float* d_weight;  // [D], added to; null: not wanted
};
void rms_norm_backward(Executor& executor, const float* x, const float* weight, float epsilon, const float* d_y,
                       int64_t row_count, int64_t width, const RmsNormGradients& gradients);

}  // namespace pelton
