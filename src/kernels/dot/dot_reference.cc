#include "kernels/dot/dot.h"

namespace pelton {

void dot_block_reference(const DotBlock& block);

namespace {

// Eight sums, as vectors have them: less rounding than one long chain, and the compiler can use what SIMD it has.
constexpr int64_t kSums = 8;

float dot(const float* weight, const float* x, int64_t count) {
  float sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int64_t lane = 0; lane < kSums; ++lane) sums[lane] += weight[i + lane] * x[i + lane];
  }
  float total = 0;
  for (; i < count; ++i) total += weight[i] * x[i];
  for (float sum : sums) total += sum;
  return total;
}

}  // namespace

void dot_block_reference(const DotBlock& block) {
  for (int64_t w = 0; w < block.weight_count; ++w) {
    for (int64_t row = 0; row < block.row_count; ++row) {
      block.y[row * block.y_stride + w] = dot(block.weight + w * block.count, block.x + row * block.count, block.count);
    }
  }
}

}  // namespace pelton
