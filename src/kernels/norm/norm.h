// Kernels of RMS and of layer normalisation, one row a call.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

// Of a row, for layer normalisation.
struct RowMoments {
  float mean;
  float inverse_deviation;  // 1 / sqrt(mean((x - mean)²) + epsilon)
};

struct NormKernels {
  // 1 / sqrt(mean(x²) + epsilon), sums in float.
  float (*inverse_rms)(const float* x, float epsilon, int64_t width);
  // y = x · factor · weight. y may be x.
  void (*scale)(const float* x, float factor, const float* weight, int64_t width, float* y);
  // d_x of y = x · inverse_rms(x) · weight. d_x may be d_y.
  void (*backward)(const float* x, float inverse_rms, const float* weight, const float* d_y, int64_t width, float* d_x);
  // d_weight += d_y · x · inverse_rms
  void (*accumulate_weight)(const float* x, float inverse_rms, const float* d_y, int64_t width, float* d_weight);

  // Sums in float.
  RowMoments (*moments)(const float* x, float epsilon, int64_t width);
  // y = (x - mean) · inverse_deviation · weight + bias. y may be x.
  void (*standardise)(const float* x, RowMoments moments, const float* weight, const float* bias, int64_t width,
                      float* y);
  // d_x of that. d_x may be d_y.
  void (*standardise_backward)(const float* x, RowMoments moments, const float* weight, const float* d_y, int64_t width,
                               float* d_x);
  // d_weight += d_y · (x - mean) · inverse_deviation
  void (*accumulate_standardised)(const float* x, RowMoments moments, const float* d_y, int64_t width, float* d_weight);
};

const NormKernels& norm_kernels(Isa isa);
void append_norm_cases(std::vector<OpCase>& cases);

// What norm_kernels chooses from.
const NormKernels* norm_kernels_reference();
const NormKernels* norm_kernels_avx2();
const NormKernels* norm_kernels_avx512();
const NormKernels* norm_kernels_neon();

}  // namespace pelton
