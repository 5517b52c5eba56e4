// RMS and layer normalisation on Vec; compiled once per ISA. Formulas: norm_reference.cc.
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

RowMoments moments(const float* x, float epsilon, int64_t width) {
  Vec sum = splat(0);
  for_each_vec(width, [&](auto read, auto) { sum = sum + read(x); });
  const float mean = reduce_sum(sum) / static_cast<float>(width);
  Vec squares = splat(0);
  int64_t i = 0;
  for (; i + Vec::kWidth <= width; i += Vec::kWidth) {
    const Vec centred = load(x + i) - splat(mean);
    squares = fma(centred, centred, squares);
  }
  if (i < width) {  // lanes that are not there must not count
    const Vec centred = keep_first(load_first(x + i, width - i) - splat(mean), width - i, splat(0));
    squares = fma(centred, centred, squares);
  }
  const float variance = reduce_sum(squares) / static_cast<float>(width);
  return {mean, 1.0f / __builtin_sqrtf(variance + epsilon)};
}

void standardise(const float* x, RowMoments moments, const float* weight, const float* bias, int64_t width, float* y) {
  for_each_vec(width, [&](auto read, auto write) {
    const Vec standardised = (read(x) - splat(moments.mean)) * splat(moments.inverse_deviation);
    write(y, fma(standardised, read(weight), read(bias)));
  });
}

void standardise_backward(const float* x, RowMoments moments, const float* weight, const float* d_y, int64_t width,
                          float* d_x) {
  const Vec mean = splat(moments.mean);
  const Vec inverse_deviation = splat(moments.inverse_deviation);
  Vec sum = splat(0);
  Vec dot = splat(0);
  for_each_vec(width, [&](auto read, auto) {
    const Vec g = read(d_y) * read(weight);  // zero in lanes that are not there
    sum = sum + g;
    dot = fma(g, (read(x) - mean) * inverse_deviation, dot);
  });
  const Vec mean_g = splat(reduce_sum(sum) / static_cast<float>(width));
  const Vec pull = splat(reduce_sum(dot) / static_cast<float>(width));
  for_each_vec(width, [&](auto read, auto write) {
    const Vec standardised = (read(x) - mean) * inverse_deviation;
    write(d_x, inverse_deviation * fma_negated(standardised, pull, read(d_y) * read(weight) - mean_g));
  });
}

void accumulate_standardised(const float* x, RowMoments moments, const float* d_y, int64_t width, float* d_weight) {
  for_each_vec(width, [&](auto read, auto write) {
    const Vec standardised = (read(x) - splat(moments.mean)) * splat(moments.inverse_deviation);
    write(d_weight, fma(read(d_y), standardised, read(d_weight)));
  });
}

constexpr NormKernels kKernels = {.inverse_rms = inverse_rms,
                                  .scale = scale,
                                  .backward = backward,
                                  .accumulate_weight = accumulate_weight,
                                  .moments = moments,
                                  .standardise = standardise,
                                  .standardise_backward = standardise_backward,
                                  .accumulate_standardised = accumulate_standardised};

}  // namespace
}  // namespace pelton
