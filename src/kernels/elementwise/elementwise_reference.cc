#include <algorithm>
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

void scale(const float* x, float factor, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = factor * x[i];
}

void soft_cap(const float* x, float cap, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = cap * std::tanh(x[i] / cap);
}

// tanh' = 1 - tanh².
void soft_cap_backward(const float* y, float cap, const float* d_y, int64_t count, float* d_x) {
  for (int64_t i = 0; i < count; ++i) d_x[i] = d_y[i] * (1.0f - y[i] / cap * (y[i] / cap));
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

// gelu = z s with s = 1 / (1 + e^-w), w = √(8/π) (z + 0.044715 z³), since (1 + tanh(w/2)) / 2 = s; gelu' as silu',
// times w' where z stands for it.
constexpr float kFactor = 1.5957691216057308f;
constexpr float kCubic = 0.044715f;

float gelu_sigmoid(float z) { return 1.0f / (1.0f + std::exp(-kFactor * (z + kCubic * z * z * z))); }

float gelu_slope(float z, float sigmoid) {
  const float d_argument = kFactor * (1.0f + 3.0f * kCubic * z * z);
  return sigmoid * (1.0f + z * d_argument * (1.0f - sigmoid));
}

void gelu(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * gelu_sigmoid(x[i]);
}

void gelu_backward(const float* x, const float* d_y, int64_t count, float* d_x) {
  for (int64_t i = 0; i < count; ++i) d_x[i] = d_y[i] * gelu_slope(x[i], gelu_sigmoid(x[i]));
}

void gelu_gate(const float* gate, const float* up, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] * gelu_sigmoid(gate[i]) * up[i];
}

void gelu_gate_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                        float* d_up) {
  for (int64_t i = 0; i < count; ++i) {
    const float z = gate[i];
    const float incoming = d_y[i];
    const float sigmoid = gelu_sigmoid(z);
    d_gate[i] = incoming * up[i] * gelu_slope(z, sigmoid);
    d_up[i] = incoming * z * sigmoid;
  }
}

void clamped_gate(const ClampedGate& bounds, const float* gate, const float* up, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) {
    const float z = std::min(gate[i], bounds.limit);
    const float u = std::clamp(up[i], -bounds.limit, bounds.limit);
    y[i] = z / (1.0f + std::exp(-bounds.steepness * z)) * (1.0f + u);
  }
}

// (z s)' as silu', the steepness times z in place of z.
void clamped_gate_backward(const ClampedGate& bounds, const float* gate, const float* up, const float* d_y,
                           int64_t count, float* d_gate, float* d_up) {
  for (int64_t i = 0; i < count; ++i) {
    const float z = std::min(gate[i], bounds.limit);
    const float u = std::clamp(up[i], -bounds.limit, bounds.limit);
    const float incoming = d_y[i];
    const bool passes_gate = gate[i] < bounds.limit;
    const bool passes_up = std::abs(up[i]) < bounds.limit;
    const float sigmoid = 1.0f / (1.0f + std::exp(-bounds.steepness * z));
    const float slope = sigmoid * (1.0f + bounds.steepness * z * (1.0f - sigmoid));
    d_gate[i] = passes_gate ? incoming * (1.0f + u) * slope : 0.0f;
    d_up[i] = passes_up ? incoming * z * sigmoid : 0.0f;
  }
}

// gelu = z Φ(z), Φ(z) = (1 + erf(z / √2)) / 2; gelu' = Φ + z φ, since Φ' = φ = e^(-z²/2) / √(2π).
constexpr float kInverseRoot2 = 0.70710678f;
constexpr float kInverseRoot2Pi = 0.39894228f;

float normal_below(float z) { return 0.5f * std::erfc(-z * kInverseRoot2); }

float gelu_erf_slope(float z) { return normal_below(z) + z * kInverseRoot2Pi * std::exp(-0.5f * z * z); }

void gelu_erf(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * normal_below(x[i]);
}

void gelu_erf_backward(const float* x, const float* d_y, int64_t count, float* d_x) {
  for (int64_t i = 0; i < count; ++i) d_x[i] = d_y[i] * gelu_erf_slope(x[i]);
}

void gelu_erf_gate(const float* gate, const float* up, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] * normal_below(gate[i]) * up[i];
}

void gelu_erf_gate_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                            float* d_up) {
  for (int64_t i = 0; i < count; ++i) {
    const float z = gate[i];
    const float incoming = d_y[i];
    d_gate[i] = incoming * up[i] * gelu_erf_slope(z);
    d_up[i] = incoming * z * normal_below(z);
  }
}

constexpr ElementwiseKernels kKernels = {.add = add,
                                         .scale = scale,
                                         .soft_cap = soft_cap,
                                         .soft_cap_backward = soft_cap_backward,
                                         .silu_gate = silu_gate,
                                         .silu_gate_backward = silu_gate_backward,
                                         .gelu_gate = gelu_gate,
                                         .gelu_gate_backward = gelu_gate_backward,
                                         .clamped_gate = clamped_gate,
                                         .clamped_gate_backward = clamped_gate_backward,
                                         .gelu = gelu,
                                         .gelu_backward = gelu_backward,
                                         .gelu_erf_gate = gelu_erf_gate,
                                         .gelu_erf_gate_backward = gelu_erf_gate_backward,
                                         .gelu_erf = gelu_erf,
                                         .gelu_erf_backward = gelu_erf_backward};

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
