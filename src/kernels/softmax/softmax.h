// Kernels of softmax over one long row of logits.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

struct SoftmaxKernels {
  // The largest of count >= 1 values. A NaN among them gives an unspecified result.
  float (*maximum)(const float* x, int64_t count);
  // The sum of e^(x - shift): float inside blocks of 1024, double across them, so that 256k terms keep seven digits.
  double (*sum_exp)(const float* x, float shift, int64_t count);
  // y = x - shift. y may be x.
  void (*subtract)(const float* x, float shift, int64_t count, float* y);
  // y = e^(x - shift) · factor. y may be x.
  void (*scaled_exp)(const float* x, float shift, float factor, int64_t count, float* y);
};

inline constexpr int64_t kSoftmaxBlock = 1024;

const SoftmaxKernels& softmax_kernels(Isa isa);
void append_softmax_cases(std::vector<OpCase>& cases);

// What softmax_kernels chooses from.
const SoftmaxKernels* softmax_kernels_reference();
const SoftmaxKernels* softmax_kernels_avx2();
const SoftmaxKernels* softmax_kernels_avx512();
const SoftmaxKernels* softmax_kernels_neon();

}  // namespace pelton
