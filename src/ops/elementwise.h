// Sums, multiples, bounds and nonlinearities.
#pragma once

#include <cstdint>

#include "kernels/elementwise/elementwise.h"
#include "ops/executor.h"

namespace pelton {

// y = a + b; y may be a or b.
void add(Executor& executor, const float* a, const float* b, int64_t count, float* y);
// y += a
void accumulate(Executor& executor, const float* a, int64_t count, float* y);

// y [T, N] += bias [N], row by row.
void add_bias(Executor& executor, const float* bias, int64_t row_count, int64_t width, float* y);
// d_bias [N] += the rows of d_y [T, N].
void add_bias_backward(Executor& executor, const float* d_y, int64_t row_count, int64_t width, float* d_bias);

// y = factor · x; y may be x. Its own backward.
void scale(Executor& executor, const float* x, float factor, int64_t count, float* y);

// y = x ⊙ factors (+ bias) of each row; bias: null: none.
void scale_columns(Executor& executor, const float* x, const float* factors, const float* bias, int64_t row_count,
                   int64_t width, float* y);
// d_factors += Σ over the rows of d_y ⊙ x.
void scale_columns_backward(Executor& executor, const float* x, const float* d_y, int64_t row_count, int64_t width,
                            float* d_factors);

// y = x / (1 - share) or, of a share of all numbers, 0 (Srivastava et al. 2014): which ones, `seed` and the number's
// place say. Its own backward. share: [0, 1).
void dropout(Executor& executor, const float* x, float share, uint64_t seed, int64_t count, float* y);

// y = cap · tanh(x / cap), cap > 0 (Gemma 2, arXiv 2408.00118); y may be x. The backward needs y alone; d_x may be d_y.
void soft_cap(Executor& executor, const float* x, float cap, int64_t count, float* y);
void soft_cap_backward(Executor& executor, const float* y, float cap, const float* d_y, int64_t count, float* d_x);

enum class Nonlinearity : uint8_t {
  kSilu,         // z / (1 + e^-z) (SwiGLU: Shazeer 2020, arXiv 2002.05202)
  kGelu,         // z / 2 (1 + tanh(√(2/π) (z + 0.044715 z³))) (Hendrycks, Gimpel 2016, arXiv 1606.08415)
  kGeluErf,      // z / 2 (1 + erf(z / √2)), which that stands for
  kClampedSilu,  // ElementwiseKernels::clamped_gate
};

// What a gate does with its two inputs.
struct GateFunction {
  GateFunction(Nonlinearity function) : f(function) {}  // NOLINT(google-explicit-constructor): most need no more
  GateFunction(const ClampedGate& clamp) : f(Nonlinearity::kClampedSilu), bounds(clamp) {}  // NOLINT(*-explicit-*)
  Nonlinearity f;
  ClampedGate bounds{};  // of kClampedSilu
};
// By the calling thread.
void gate_here(const GateFunction& f, const float* gate, const float* up, int64_t count, float* y);

// y = f(gate) · up. y may be gate or up.
void gate(Executor& executor, const GateFunction& f, const float* gate, const float* up, int64_t count, float* y);
struct GateGradients {  // both assigned; each may be gate, up or d_y
  float* d_gate;
  float* d_up;
};
void gate_backward(Executor& executor, const GateFunction& f, const float* gate, const float* up, const float* d_y,
                   int64_t count, const GateGradients& gradients);

// y = gelu(x), in one of the forms above (kGelu, kGeluErf); y may be x, d_x may be x or d_y.
void gelu(Executor& executor, Nonlinearity form, const float* x, int64_t count, float* y);
void gelu_backward(Executor& executor, Nonlinearity form, const float* x, const float* d_y, int64_t count, float* d_x);

}  // namespace pelton
