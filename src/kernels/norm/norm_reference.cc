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

RowMoments moments(const float* x, float epsilon, int64_t width) {
  float sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(width);
  float squares = 0;
  for (int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, 1.0f / std::sqrt(squares / static_cast<float>(width) + epsilon)};
}

void standardise(const float* x, RowMoments moments, const float* weight, const float* bias, int64_t width, float* y) {
  for (int64_t i = 0; i < width; ++i) {
    y[i] = (x[i] - moments.mean) * moments.inverse_deviation * weight[i] + bias[i];
  }
}

// With z = (x - mean) r and g = d_y · weight: d_x = r (g - mean(g) - z mean(g z)), since dr/dx_i = -r² z_i / width.
void standardise_backward(const float* x, RowMoments moments, const float* weight, const float* d_y, int64_t width,
                          float* d_x) {
  const float r = moments.inverse_deviation;
  float sum = 0;
  float dot = 0;
  for (int64_t i = 0; i < width; ++i) {
    const float g = d_y[i] * weight[i];
    sum += g;
    dot += g * (x[i] - moments.mean) * r;
  }
  const float mean_g = sum / static_cast<float>(width);
  const float pull = dot / static_cast<float>(width);
  for (int64_t i = 0; i < width; ++i) {
    d_x[i] = r * (d_y[i] * weight[i] - mean_g - (x[i] - moments.mean) * r * pull);
  }
}

void accumulate_standardised(const float* x, RowMoments moments, const float* d_y, int64_t width, float* d_weight) {
  for (int64_t i = 0; i < width; ++i) d_weight[i] += d_y[i] * (x[i] - moments.mean) * moments.inverse_deviation;
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
