// Kernels of sums and gated activations.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

struct ElementwiseKernels {
  // y = a + b; y may be a or b.
  void (*add)(const float* a, const float* b, int64_t count, float* y);
  // y = silu(gate) · up, silu(z) = z / (1 + e^-z); y may be gate or up.
  void (*silu_gate)(const float* gate, const float* up, int64_t count, float* y);
  // Each output may be the input of its name without `d_`, or d_y.
  void (*silu_gate_backward)(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                             float* d_up);
};

const ElementwiseKernels& elementwise_kernels(Isa isa);
void append_elementwise_cases(std::vector<OpCase>& cases);

// What elementwise_kernels chooses from.
const ElementwiseKernels* elementwise_kernels_reference();
const ElementwiseKernels* elementwise_kernels_avx2();
const ElementwiseKernels* elementwise_kernels_avx512();
const ElementwiseKernels* elementwise_kernels_neon();

}  // namespace pelton
