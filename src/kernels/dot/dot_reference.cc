#include "kernels/dot/dot.h"

namespace pelton {

const DotKernels* dot_kernels_reference();

namespace {

// Eight sums, as vectors have them: less rounding than one long chain, and the compiler can use what SIMD it has.
constexpr int64_t kSums = 8;

void dot_rows(const float* weight, int64_t count, const DotRows& rows) {
  for (int64_t row = 0; row < rows.row_count; ++row) {
    const float* x = rows.x + row * rows.x_stride;
    float sums[kSums] = {};
    int64_t i = 0;
    for (; i + kSums <= count; i += kSums) {
      for (int64_t lane = 0; lane < kSums; ++lane) sums[lane] += weight[i + lane] * x[i + lane];
    }
    float total = 0;
    for (; i < count; ++i) total += weight[i] * x[i];
    for (float sum : sums) total += sum;
    rows.y[row * rows.y_stride] = total;
  }
}

constexpr DotKernels kKernels = {.dot_rows = dot_rows};

}  // namespace

const DotKernels* dot_kernels_reference() { return &kKernels; }

}  // namespace pelton
