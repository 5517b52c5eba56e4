#include <cmath>

#include "kernels/norm/norm.h"

namespace pelton {
namespace {

float inverse_rms(const float* x, float epsilon, int64_t width) {
  float sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += x[i] * x[i];
  return 1.0f / std::sqrt(sum / static_cast<float>(width) + epsilon);
}

void scale(const float* x, float factor, const float* weight, int64_t width, float* y) {
  for (int64_t i = 0; i < width; ++i) y[i] = x[i] * factor * weight[i];
}

// With r = inverse_rms and g = d_y · weight: d_x = r (g - x r² mean(g · x)), since dr/dx_i = -r³ x_i / width.
void backward(const float* x, float inverse_rms, const float* weight, const float* d_y, int64_t width, float* d_x) {
  float dot = 0;
  for (int64_t i = 0; i < width; ++i) dot += d_y[i] * weight[i] * x[i];
  const float pull = dot * inverse_rms * inverse_rms / static_cast<float>(width);
  for (int64_t i = 0; i < width; ++i) d_x[i] = inverse_rms * (d_y[i] * weight[i] - x[i] * pull);
}

void accumulate_weight(const float* x, float inverse_rms, const float* d_y, int64_t width, float* d_weight) {
  for (int64_t i = 0; i < width; ++i) d_weight[i] += d_y[i] * x[i] * inverse_rms;
}

constexpr NormKernels kKernels = {inverse_rms, scale, backward, accumulate_weight};

}  // namespace

const NormKernels* norm_kernels_reference() { return &kKernels; }

const NormKernels& norm_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *norm_kernels_avx512();
  if (isa == Isa::kAvx2) return *norm_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *norm_kernels_neon();
#endif
  return *norm_kernels_reference();
}

}  // namespace pelton
