// Passes over logits on Vec; compiled once per ISA.
#pragma once

#include "kernels/logits/logits.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

#if defined(__AVX512F__)
// Bit i: lane i of a is at least that of b.
inline uint32_t lanes_at_least(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.raw, b.raw, _CMP_GE_OQ); }
// Zero where a < b.
inline Vec zero_where_less(Vec a, Vec b, Vec v) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.raw, b.raw, _CMP_GE_OQ), v.raw)};
}
#elif defined(__AVX2__)
inline uint32_t lanes_at_least(Vec a, Vec b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a.raw, b.raw, _CMP_GE_OQ)));
}
inline Vec zero_where_less(Vec a, Vec b, Vec v) {
  return {_mm256_and_ps(_mm256_cmp_ps(a.raw, b.raw, _CMP_GE_OQ), v.raw)};
}
#elif defined(__aarch64__)
inline uint32_t lanes_at_least(Vec a, Vec b) {
  constexpr uint32_t kBits[] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcgeq_f32(a.raw, b.raw), vld1q_u32(kBits)));
}
inline Vec zero_where_less(Vec a, Vec b, Vec v) {
  return {vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(a.raw, b.raw), vreinterpretq_u32_f32(v.raw)))};
}
#endif

// a b, rounded, as the reference does: a plain product the compiler may fuse with the sum behind it.
inline Vec rounded_product(Vec a, Vec b) { return fma(a, b, splat(-0.0f)); }

LogitsRange range(const float* x, int64_t count) {
  Vec largest = splat(x[0]);
  Vec zeros = splat(0);  // 0 · x: NaN for whatever is not finite
  int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
    const Vec v = load(x + i);
    largest = max(largest, v);
    zeros = fma(v, splat(0), zeros);
  }
  float maximum = reduce_max(largest);
  float zero = reduce_sum(zeros);
  for (; i < count; ++i) {
    maximum = x[i] > maximum ? x[i] : maximum;
    zero += 0 * x[i];
  }
  return {maximum, zero == 0};
}

int64_t at_least(const float* x, float threshold, int64_t count, int32_t* indices) {
  const Vec bound = splat(threshold);
  int64_t found = 0;
  int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
    uint32_t lanes = lanes_at_least(load(x + i), bound);
    for (; lanes != 0; lanes &= lanes - 1) indices[found++] = static_cast<int32_t>(i) + __builtin_ctz(lanes);
  }
  for (; i < count; ++i) {
    if (x[i] >= threshold) indices[found++] = static_cast<int32_t>(i);
  }
  return found;
}

// As in the reference, step by step.
inline Vec exp_of_negative(Vec exponent) {
  const Vec lowest = splat(kLogitsLowest);
  const Vec x = max(exponent, lowest);
  const Vec round_to_integer = splat(12582912.0f);
  const Vec n = rounded_product(x, splat(1.44269504f)) + round_to_integer - round_to_integer;
  const Vec r = fma_negated(n, splat(0.693359375f), x) + rounded_product(n, splat(2.12194440e-4f));
  Vec sum = rounded_product(splat(1.0f / 5040), r) + splat(1.0f / 720);
  sum = rounded_product(sum, r) + splat(1.0f / 120);
  sum = rounded_product(sum, r) + splat(1.0f / 24);
  sum = rounded_product(sum, r) + splat(1.0f / 6);
  sum = rounded_product(sum, r) + splat(0.5f);
  sum = rounded_product(sum, r) + splat(1.0f);
  sum = rounded_product(sum, r) + splat(1.0f);
  return zero_where_less(exponent, lowest, scale_by_power(sum, n));
}

double weigh(const float* x, float peak, float inverse_temperature, int64_t count, float* weights) {
  const Vec shift = splat(peak);
  const Vec factor = splat(inverse_temperature);
  for_each_vec(
      count, [&](auto read, auto write) { write(weights, exp_of_negative(rounded_product(read(x) - shift, factor))); });
  constexpr int64_t kVecs = kLogitsLanes / Vec::kWidth;
  Vec sums[kVecs];
  for (Vec& lanes : sums) lanes = splat(0);
  int64_t i = 0;
  for (; i + kLogitsLanes <= count; i += kLogitsLanes) {
    for (int64_t v = 0; v < kVecs; ++v) sums[v] = sums[v] + load(weights + i + v * Vec::kWidth);
  }
  double sum = 0;
  for (; i < count; ++i) sum += weights[i];
  float lanes[kLogitsLanes];
  for (int64_t v = 0; v < kVecs; ++v) store(lanes + v * Vec::kWidth, sums[v]);
  for (const float lane : lanes) sum += lane;
  return sum;
}

constexpr LogitsKernels kKernels = {range, at_least, weigh};

}  // namespace
}  // namespace pelton
