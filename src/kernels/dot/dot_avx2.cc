#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/dot/dot.h"
#include "kernels/dot/dot_block_body.h"

namespace pelton {

const DotKernels* dot_kernels_avx2();

namespace {

constexpr int64_t kLanes = 8;
constexpr int kSums = 4;

float dot(const float* weight, const float* x, int64_t count) {
  __m256 sums[kSums];
#pragma GCC unroll 4
  for (int sum = 0; sum < kSums; ++sum) sums[sum] = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kSums * kLanes <= count; i += kSums * kLanes) {
#pragma GCC unroll 4
    for (int sum = 0; sum < kSums; ++sum) {
      const int64_t at = i + sum * kLanes;
      sums[sum] = _mm256_fmadd_ps(_mm256_loadu_ps(weight + at), _mm256_loadu_ps(x + at), sums[sum]);
    }
  }
  for (; i + kLanes <= count; i += kLanes) {
    sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(weight + i), _mm256_loadu_ps(x + i), sums[0]);
  }
  const __m256 all = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  float total = _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  for (; i < count; ++i) total += weight[i] * x[i];
  return total;
}

void dot_rows(const float* weight, int64_t count, const DotRows& rows) {
  for (int64_t row = 0; row < rows.row_count; ++row) {
    rows.y[row * rows.y_stride] = dot(weight, rows.x + row * rows.x_stride, count);
  }
}

constexpr DotKernels kKernels = {.dot_rows = dot_rows, .dot_block = dot_block};

}  // namespace

const DotKernels* dot_kernels_avx2() { return &kKernels; }

}  // namespace pelton
#endif
