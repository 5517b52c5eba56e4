#if defined(__aarch64__)
#include "kernels/dot/dot.h"
#include "kernels/dot/dot_block_body.h"
#include "kernels/vec.h"

namespace pelton {

const DotKernels* dot_kernels_neon();

namespace {

constexpr int kSums = 8;  // two multiply-adds a cycle, four cycles each

float dot(const float* weight, const float* x, int64_t count) {
  Vec sums[kSums];
#pragma GCC unroll 8
  for (int sum = 0; sum < kSums; ++sum) sums[sum] = splat(0);
  int64_t i = 0;
  for (; i + kSums * Vec::kWidth <= count; i += kSums * Vec::kWidth) {
#pragma GCC unroll 8
    for (int sum = 0; sum < kSums; ++sum) {
      const int64_t at = i + sum * Vec::kWidth;
      sums[sum] = fma(load(weight + at), load(x + at), sums[sum]);
    }
  }
  for_each_vec(count - i, [&](auto read, auto) { sums[0] = fma(read(weight + i), read(x + i), sums[0]); });
  for (int gap = kSums / 2; gap > 0; gap /= 2) {
    for (int sum = 0; sum < gap; ++sum) sums[sum] = sums[sum] + sums[sum + gap];
  }
  return reduce_sum(sums[0]);
}

void dot_rows(const float* weight, int64_t count, const DotRows& rows) {
  for (int64_t row = 0; row < rows.row_count; ++row) {
    rows.y[row * rows.y_stride] = dot(weight, rows.x + row * rows.x_stride, count);
  }
}

constexpr DotKernels kKernels = {.dot_rows = dot_rows, .dot_block = dot_block};

}  // namespace

const DotKernels* dot_kernels_neon() { return &kKernels; }

}  // namespace pelton
#endif
