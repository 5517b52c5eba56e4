// RMS normalisation on Vec; compiled once per ISA. Formulas: norm_reference.cc.
#pragma once

#include "kernels/norm/norm.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

float inverse_rms(const float* x, float epsilon, int64_t width) {
  constexpr int64_t kChains = 4;  // hides the latency of the fused multiply-add
  Vec sums[kChains] = {splat(0), splat(0), splat(0), splat(0)};
  int64_t i = 0;
  for (; i + kChains * Vec::kWidth <= width; i += kChains * Vec::kWidth) {
#pragma GCC unroll 4
    for (int64_t chain = 0; chain < kChains; ++chain) {
      const Vec v = load(x + i + chain * Vec::kWidth);
      sums[chain] = fma(v, v, sums[chain]);
    }
  }
  for_each_vec(width - i, [&](auto read, auto) {
    const Vec v = read(x + i);
    sums[0] = fma(v, v, sums[0]);
  });
  const float sum = reduce_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  return 1.0f / __builtin_sqrtf(sum / static_cast<float>(width) + epsilon);
}

void scale(const float* x, float factor, const float* weight, int64_t width, float* y) {
  for_each_vec(width, [&](auto read, auto write) { write(y, read(x) * splat(factor) * read(weight)); });
}

void backward(const float* x, float inverse_rms, const float* weight, const float* d_y, int64_t width, float* d_x) {
  Vec dot = splat(0);
  for_each_vec(width, [&](auto read, auto) { dot = fma(read(d_y) * read(weight), read(x), dot); });
  const Vec pull = splat(reduce_sum(dot) * inverse_rms * inverse_rms / static_cast<float>(width));
  for_each_vec(width, [&](auto read, auto write) {
    write(d_x, splat(inverse_rms) * fma_negated(read(x), pull, read(d_y) * read(weight)));
  });
}

void accumulate_weight(const float* x, float inverse_rms, const float* d_y, int64_t width, float* d_weight) {
  for_each_vec(width, [&](auto read, auto write) {
    write(d_weight, fma(read(d_y) * read(x), splat(inverse_rms), read(d_weight)));
  });
}

constexpr NormKernels kKernels = {inverse_rms, scale, backward, accumulate_weight};

}  // namespace
}  // namespace pelton
