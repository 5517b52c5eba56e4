// Sums and gated activations on Vec; compiled once per ISA. Formulas: elementwise_reference.cc.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

void add(const float* a, const float* b, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) { write(y, read(a) + read(b)); });
}

void silu_gate(const float* gate, const float* up, int64_t count, float* y) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec z = read(gate);
    write(y, z / (splat(1) + exp(-z)) * read(up));
  });
}

void silu_gate_backward(const float* gate, const float* up, const float* d_y, int64_t count, float* d_gate,
                        float* d_up) {
  for_each_vec(count, [&](auto read, auto write) {
    const Vec one = splat(1);
    const Vec z = read(gate);
    const Vec incoming = read(d_y);
    const Vec sigmoid = one / (one + exp(-z));
    const Vec d_silu = incoming * read(up);
    write(d_gate, d_silu * sigmoid * fma(z, one - sigmoid, one));
    write(d_up, incoming * z * sigmoid);
  });
}

constexpr ElementwiseKernels kKernels = {add, silu_gate, silu_gate_backward};

}  // namespace
}  // namespace pelton
