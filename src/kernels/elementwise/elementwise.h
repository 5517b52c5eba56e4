// Kernels of sums, multiples, bounds and nonlinearities.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

// Bounds and steepness of gpt-oss's gate (OpenAI 2025, arXiv 2508.10925).
struct ClampedGate {
  float steepness;  // of the sigmoid
  float limit;      // > 0

  friend bool operator==(const ClampedGate&, const ClampedGate&) = default;
};

struct ElementwiseKernels {
  // y = a + b; y may be a or b.
  void (*add)(const float* a, const float* b, int64_t count, float* y);
  // y = factor · x; y may be x.
  void (*scale)(const float* x, float factor, int64_t count, float* y);
  // y = cap · tanh(x / cap); y may be x. Backward from y: d_x = d_y (1 - (y / cap)²); d_x may be d_y.
  void (*soft_cap)(const float* x, float cap, int64_t count, float* y);
  void (*soft_cap_backward)(const float* y, float cap, const float* d_y, int64_t count, float* d_x);

  // y = silu(gate) · up, silu(z) = z / (1 + e^-z); y may be gate or up.
  void (*silu_gate)(const float* gate, const float* up, int64_t count, float* y);
  // Each output may be the input of its name without `d_`, or d_y.
  void (*silu_gate_backward)(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                             float* d_up);
  // The same with gelu(z) = z / 2 (1 + tanh(√(2/π) (z + 0.044715 z³))), and without `up`.
  void (*gelu_gate)(const float* gate, const float* up, int64_t count, float* y);
  void (*gelu_gate_backward)(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                             float* d_up);
  // y = z · sigmoid(steepness z) · (1 + u), z = min(gate, limit), u = up within ±limit. Beyond a bound nothing is
  // passed back.
  void (*clamped_gate)(const ClampedGate& bounds, const float* gate, const float* up, int64_t count, float* y);
  void (*clamped_gate_backward)(const ClampedGate& bounds, const float* gate, const float* up, const float* d_y,
                                int64_t count, float* d_gate, float* d_up);
  void (*gelu)(const float* x, int64_t count, float* y);
  void (*gelu_backward)(const float* x, const float* d_y, int64_t count, float* d_x);
  // The same with gelu's definition, gelu(z) = z / 2 (1 + erf(z / √2)); erf within 1.5e-7.
  void (*gelu_erf_gate)(const float* gate, const float* up, int64_t count, float* y);
  void (*gelu_erf_gate_backward)(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                                 float* d_up);
  void (*gelu_erf)(const float* x, int64_t count, float* y);
  void (*gelu_erf_backward)(const float* x, const float* d_y, int64_t count, float* d_x);
};

const ElementwiseKernels& elementwise_kernels(Isa isa);
void append_elementwise_cases(std::vector<OpCase>& cases);

// What elementwise_kernels chooses from.
const ElementwiseKernels* elementwise_kernels_reference();
const ElementwiseKernels* elementwise_kernels_avx2();
const ElementwiseKernels* elementwise_kernels_avx512();
const ElementwiseKernels* elementwise_kernels_neon();

}  // namespace pelton
