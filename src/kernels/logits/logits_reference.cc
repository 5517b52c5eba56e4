#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/logits/logits.h"

namespace pelton {
namespace {

LogitsRange range(const float* x, int64_t count) {
  return {*std::max_element(x, x + count), std::all_of(x, x + count, [](float value) { return std::isfinite(value); })};
}

int64_t at_least(const float* x, float threshold, int64_t count, int32_t* indices) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (x[i] >= threshold) indices[found++] = static_cast<int32_t>(i);
  }
  return found;
}

// e^x for x <= 0: 2^n · e^r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7 (remainder below 0.35^8 / 8!
// = 6e-9). The reduction subtracts n ln 2 in two parts (Cody, Waite 1980), of which the first is exact. Every product
// and every sum is rounded: no fused ones.
float exp_of_negative(float x) {
  if (x < kLogitsLowest) return 0;
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves the nearest integer in the low mantissa bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  const float high = ((1.0f / 5040 * r + 1.0f / 720) * r + 1.0f / 120) * r + 1.0f / 24;
  const float sum = (((high * r + 1.0f / 6) * r + 0.5f) * r + 1.0f) * r + 1.0f;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) << 23;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(sum) + exponent);
}

double weigh(const float* x, float peak, float inverse_temperature, int64_t count, float* weights) {
  for (int64_t i = 0; i < count; ++i) weights[i] = exp_of_negative((x[i] - peak) * inverse_temperature);
  float lanes[kLogitsLanes] = {};
  int64_t i = 0;
  for (; i + kLogitsLanes <= count; i += kLogitsLanes) {
    for (int64_t lane = 0; lane < kLogitsLanes; ++lane) lanes[lane] += weights[i + lane];
  }
  double sum = 0;
  for (; i < count; ++i) sum += weights[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

constexpr LogitsKernels kKernels = {range, at_least, weigh};

}  // namespace

const LogitsKernels* logits_kernels_reference() { return &kKernels; }

const LogitsKernels& logits_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *logits_kernels_avx512();
  if (isa == Isa::kAvx2) return *logits_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *logits_kernels_neon();
#endif
  return *logits_kernels_reference();
}

}  // namespace pelton
