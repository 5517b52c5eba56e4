// Blocks of dot products on Vec; compiled once per ISA. Each sum is one chain of vectors over `count`, then added
// across the lanes: tiles of any size give the same bits.
#pragma once

#include "kernels/dot/dot.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

// So many sums keep two units of a latency of four busy at less than a load each, and fit the registers: 16 of 32, and
// with AVX2 12 of 16.
constexpr int kTileWeights = 4;
constexpr int kTileRows = Vec::kWidth == 8 ? 3 : 4;

template <int kWeights, int kRows>
void dot_tile(const DotBlock& block, int64_t first_weight, int64_t first_row) {
  const float* weight = block.weight + first_weight * block.count;
  const float* x = block.x + first_row * block.count;
  Vec sums[kWeights][kRows];
#pragma GCC unroll 4
  for (int w = 0; w < kWeights; ++w) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) sums[w][row] = splat(0);
  }
  for_each_vec(block.count, [&](auto read, auto) {
    Vec values[kRows];
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) values[row] = read(x + row * block.count);
#pragma GCC unroll 4
    for (int w = 0; w < kWeights; ++w) {
      const Vec factor = read(weight + w * block.count);
#pragma GCC unroll 4
      for (int row = 0; row < kRows; ++row) sums[w][row] = fma(factor, values[row], sums[w][row]);
    }
  });
  float* y = block.y + first_row * block.y_stride + first_weight;
#pragma GCC unroll 4
  for (int w = 0; w < kWeights; ++w) {
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) y[row * block.y_stride + w] = reduce_sum(sums[w][row]);
  }
}

template <int kRows>
void dot_rows_of_block(const DotBlock& block, int64_t first_row) {
  int64_t w = 0;
  for (; w + kTileWeights <= block.weight_count; w += kTileWeights) dot_tile<kTileWeights, kRows>(block, w, first_row);
  for (; w < block.weight_count; ++w) dot_tile<1, kRows>(block, w, first_row);
}

// Rows of x outermost: they stay in L1 while the weights come from L2.
void dot_block(const DotBlock& block) {
  int64_t row = 0;
  for (; row + kTileRows <= block.row_count; row += kTileRows) dot_rows_of_block<kTileRows>(block, row);
  switch (block.row_count - row) {
    case 1:
      return dot_rows_of_block<1>(block, row);
    case 2:
      return dot_rows_of_block<2>(block, row);
    case 3:
      return dot_rows_of_block<3>(block, row);
  }
}

}  // namespace
}  // namespace pelton
