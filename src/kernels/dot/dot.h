// Dot products in F32: matrix work with weights as they lie in the file.
//
// Threads: pure functions. A sum's order depends on the ISA and on `count` only, whatever else is in the block.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

// Some columns of y = x · Wᵀ.
struct DotBlock {
  const float* weight;  // [weight_count, count]
  int64_t weight_count;
  const float* x;  // [row_count, count]
  int64_t row_count;
  int64_t count;
  float* y;  // y[row · y_stride + weight] is assigned
  int64_t y_stride;
};

using DotFunction = void (*)(const DotBlock& block);
DotFunction dot_kernel(Isa isa);

void append_dot_cases(std::vector<OpCase>& cases);

}  // namespace pelton
