// Sums and gated activations.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

// y = a + b; y may be a or b.
void add(Executor& executor, const float* a, const float* b, int64_t count, float* y);
// y += a
void accumulate(Executor& executor, const float* a, int64_t count, float* y);

// y = silu(gate) · up, silu(z) = z / (1 + e^-z) (SwiGLU: Shazeer 2020, arXiv 2002.05202). y may be gate or up.
void silu_gate(Executor& executor, const float* gate, const float* up, int64_t count, float* y);
struct SiluGateGradients {  // both assigned; each may be gate, up or d_y
  float* d_gate;
  float* d_up;
};
void silu_gate_backward(Executor& executor, const float* gate, const float* up, const float* d_y, int64_t count,
                        const SiluGateGradients& gradients);

}  // namespace pelton
