// Kernels of sampling: passes over a row of logits. The same bits on every ISA, so that a seed gives the same tokens on
// every machine that computes the same logits.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

struct LogitsRange {
  float maximum;   // unspecified where is_finite is false
  bool is_finite;  // neither NaN nor infinity among them
};

inline constexpr int64_t kLogitsLanes = 16;
inline constexpr int64_t kLogitsBlock = 1024;

// A weight is 0 where (x - peak) · inverse_temperature lies below this: 2^n would leave the normal numbers.
inline constexpr float kLogitsLowest = -86.0f;

struct LogitsKernels {
  // Of count >= 1 values.
  LogitsRange (*range)(const float* x, int64_t count);
  // Writes i for each x[i] >= threshold, ascending, and returns how many. indices: room for `count`.
  int64_t (*at_least)(const float* x, float threshold, int64_t count, int32_t* indices);
  // weights[i] = e^((x[i] - peak) · inverse_temperature), where that exponent is at most 0: relative error below 1e-6,
  // exactly 1 at the peak. Returns their sum: float in each of kLogitsLanes lanes, double across these and for the
  // rest. x finite, count <= kLogitsBlock.
  double (*weigh)(const float* x, float peak, float inverse_temperature, int64_t count, float* weights);
};

const LogitsKernels& logits_kernels(Isa isa);
void append_logits_cases(std::vector<OpCase>& cases);

// What logits_kernels chooses from.
const LogitsKernels* logits_kernels_reference();
const LogitsKernels* logits_kernels_avx2();
const LogitsKernels* logits_kernels_avx512();
const LogitsKernels* logits_kernels_neon();

}  // namespace pelton
