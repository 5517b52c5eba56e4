#if defined(__x86_64__)
#include <immintrin.h>

// GCC 12 takes the deliberately undefined operand inside its own intrinsics for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "kernels/dot/dot.h"
#include "kernels/dot/dot_block_body.h"

namespace pelton {

const DotKernels* dot_kernels_avx512();

namespace {

constexpr int64_t kLanes = 16;
constexpr int kSums = 4;  // two multiply-adds a cycle, four cycles each: more would help only in L1

float dot(const float* weight, const float* x, int64_t count) {
  __m512 sums[kSums];
#pragma GCC unroll 4
  for (int sum = 0; sum < kSums; ++sum) sums[sum] = _mm512_setzero_ps();
  int64_t i = 0;
  for (; i + kSums * kLanes <= count; i += kSums * kLanes) {
#pragma GCC unroll 4
    for (int sum = 0; sum < kSums; ++sum) {
      const int64_t at = i + sum * kLanes;
      sums[sum] = _mm512_fmadd_ps(_mm512_loadu_ps(weight + at), _mm512_loadu_ps(x + at), sums[sum]);
    }
  }
  for (; i < count; i += kLanes) {
    const __mmask16 mask = count - i >= kLanes ? 0xFFFF : static_cast<__mmask16>((1u << (count - i)) - 1);
    sums[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, weight + i), _mm512_maskz_loadu_ps(mask, x + i), sums[0]);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

void dot_rows(const float* weight, int64_t count, const DotRows& rows) {
  for (int64_t row = 0; row < rows.row_count; ++row) {
    rows.y[row * rows.y_stride] = dot(weight, rows.x + row * rows.x_stride, count);
  }
}

constexpr DotKernels kKernels = {.dot_rows = dot_rows, .dot_block = dot_block};

}  // namespace

const DotKernels* dot_kernels_avx512() { return &kKernels; }

}  // namespace pelton
#endif
