#include <cmath>

#include "kernels/elementwise/elementwise.h"

namespace pelton {
namespace {

void add(const float* a, const float* b, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

void silu_gate(const float* gate, const float* up, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

// With s = 1 / (1 + e^-z): silu = z s, silu' = s (1 + z (1 - s)), because s' = s (1 - s).
void silu_gate_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                        float* d_up) {
  for (int64_t i = 0; i < count; ++i) {
    const float z = gate[i];
    const float incoming = d_y[i];
    const float sigmoid = 1.0f / (1.0f + std::exp(-z));
    const float d_silu = incoming * up[i];
    d_gate[i] = d_silu * sigmoid * (1.0f + z * (1.0f - sigmoid));
    d_up[i] = incoming * z * sigmoid;
  }
}

constexpr ElementwiseKernels kKernels = {add, silu_gate, silu_gate_backward};

}  // namespace

const ElementwiseKernels* elementwise_kernels_reference() { return &kKernels; }

const ElementwiseKernels& elementwise_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *elementwise_kernels_avx512();
  if (isa == Isa::kAvx2) return *elementwise_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *elementwise_kernels_neon();
#endif
  return *elementwise_kernels_reference();
}

}  // namespace pelton
