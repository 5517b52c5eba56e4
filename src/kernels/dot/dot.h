// Dot products in F32: the plain path of matrix work with few rows.
//
// Threads: pure functions. The sum's order depends on the ISA and on `count` only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

struct DotRows {
  const float* x;  // [row_count, count], rows x_stride floats apart
  int64_t x_stride;
  int64_t row_count;
  float* y;  // y[row · y_stride] is assigned
  int64_t y_stride;
};

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

struct DotKernels {
  // y[row] = sum over i of weight[i] · x[row, i], in several F32 accumulators.
  void (*dot_rows)(const float* weight, int64_t count, const DotRows& rows);
  // All products of a block, tile by tile. The bits of each do not depend on the others in the block, but may differ
  // from dot_rows'.
  void (*dot_block)(const DotBlock& block);
};

const DotKernels& dot_kernels(Isa isa);

void append_dot_cases(std::vector<OpCase>& cases);

}  // namespace pelton
