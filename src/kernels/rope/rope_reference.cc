#include "kernels/rope/rope.h"

namespace pelton {
namespace {

void rotate(float& a, float& b, float cosine, float sine) {
  const float old_a = a;
  a = old_a * cosine - b * sine;
  b = old_a * sine + b * cosine;
}

void rotate_halves(const RopeRow& row) {
  for (int64_t head = 0; head < row.head_count; ++head) {
    float* x = row.x + head * row.head_width;
    for (int64_t i = 0; i < row.pair_count; ++i) {
      rotate(x[i], x[i + row.pair_count], row.cosines[i], row.is_inverse ? -row.sines[i] : row.sines[i]);
    }
  }
}

void rotate_interleaved(const RopeRow& row) {
  for (int64_t head = 0; head < row.head_count; ++head) {
    float* x = row.x + head * row.head_width;
    for (int64_t i = 0; i < row.pair_count; ++i) {
      rotate(x[2 * i], x[2 * i + 1], row.cosines[i], row.is_inverse ? -row.sines[i] : row.sines[i]);
    }
  }
}

constexpr RopeKernels kKernels = {rotate_halves, rotate_interleaved};

}  // namespace

const RopeKernels* rope_kernels_reference() { return &kKernels; }

const RopeKernels& rope_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return *rope_kernels_avx512();
  if (isa == Isa::kAvx2) return *rope_kernels_avx2();
#elif defined(__aarch64__)
  if (isa == Isa::kNeon) return *rope_kernels_neon();
#endif
  return *rope_kernels_reference();
}

}  // namespace pelton
