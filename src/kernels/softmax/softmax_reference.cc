#include <algorithm>
#include <cmath>

#include "kernels/softmax/softmax.h"

namespace pelton {
namespace {

float maximum(const float* x, int64_t count) { return *std::max_element(x, x + count); }

double sum_exp(const float* x, float shift, int64_t count) {
  double sum = 0;
  for (int64_t begin = 0; begin < count; begin += kSoftmaxBlock) {
    float block = 0;
    for (int64_t i = begin; i < std::min(count, begin + kSoftmaxBlock); ++i) block += std::exp(x[i] - shift);
    sum += block;
  }
  return sum;
}

void subtract(const float* x, float shift, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] - shift;
}

void scaled_exp(const float* x, float shift, float factor, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = std::exp(x[i] - shift) * factor;
}

constexpr SoftmaxKernels kKernels = {maximum, sum_exp, subtract, scaled_exp};

}  // namespace

const SoftmaxKernels* softmax_kernels_reference() { return &kKernels; }

const SoftmaxKernels& softmax_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *softmax_kernels_avx512();
  if (isa == Isa::kAvx2) return *softmax_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *softmax_kernels_neon();
#endif
  return *softmax_kernels_reference();
}

}  // namespace pelton
