// Root-mean-square normalisation (Zhang, Sennrich 2019, arXiv 1910.07467) and layer normalisation (Ba et al. 2016,
// arXiv 1607.06450).
#pragma once

#include <cstdint>

#include "ops/executor.h"
#include "ops/linear.h"

namespace pelton {

// y [T, D] = x / sqrt(mean(x²) + epsilon) · weight [D]. y may be x.
void rms_norm(Executor& executor, const float* x, const float* weight, float epsilon, int64_t row_count, int64_t width,
              float* y);

// The residual sum, its norm and the norm's int8 form, each row while it is in L1: the bits of add(), rms_norm() and
// LinearInput::quantised().
struct ResidualNorm {
  const float* a;       // [T, D]
  const float* b;       // [T, D]; null: nothing is added, y is the norm of a
  const float* weight;  // [D]
  float epsilon;
  int64_t row_count;       // T
  int64_t width;           // D
  float* sum;              // [T, D], a + b; null where b is
  float* y;                // [T, D]
  LinearInput* quantised;  // has been set to y and gets its int8 form; null: not wanted
};
void residual_norm(Executor& executor, const ResidualNorm& pass);

struct RmsNormGradients {
  float* d_x;       // [T, D], assigned; may be d_y
  float* d_weight;  // [D], added to; null: not wanted
};
void rms_norm_backward(Executor& executor, const float* x, const float* weight, float epsilon, const float* d_y,
                       int64_t row_count, int64_t width, const RmsNormGradients& gradients);

// y [T, D] = (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon) · weight [D] + bias [D], where the means are those of
// the part of a row that x belongs to. y may be x.
struct LayerNorm {
  const float* x;
  const float* weight;
  const float* bias;
  float epsilon;
  int64_t row_count;
  int64_t width;
  int64_t part_width;  // divides the width: the same, or a head's

  int64_t parts_per_row() const { return width / part_width; }
  int64_t part_count() const { return row_count * parts_per_row(); }
};
void layer_norm(Executor& executor, const LayerNorm& pass, float* y);

struct LayerNormGradients {
  float* d_x;       // [T, D], assigned; may be d_y
  float* d_weight;  // [D], added to; null: not wanted
  float* d_bias;    // [D], added to; null: not wanted
};
void layer_norm_backward(Executor& executor, const LayerNorm& pass, const float* d_y,
                         const LayerNormGradients& gradients);

}  // namespace pelton
