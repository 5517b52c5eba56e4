// Rotations on Vec; compiled once per ISA.
#pragma once

#include "kernels/rope/rope.h"
#include "kernels/vec.h"

namespace pelton {
namespace {

void rotate_halves(const RopeRow& row) {
  const Vec sign = splat(row.is_inverse ? -1.0f : 1.0f);
  for (int64_t head = 0; head < row.head_count; ++head) {
    float* first = row.x + head * row.head_width;
    float* second = first + row.pair_count;
    for_each_vec(row.pair_count, [&](auto read, auto write) {
      const Vec a = read(first);
      const Vec b = read(second);
      const Vec cosine = read(row.cosines);
      const Vec sine = read(row.sines) * sign;
      write(first, fma_negated(b, sine, a * cosine));
      write(second, fma(a, sine, b * cosine));
    });
  }
}

void rotate_interleaved(const RopeRow& row) {
  constexpr int64_t kPairs = Vec::kWidth / 2;
  for (int64_t head = 0; head < row.head_count; ++head) {
    float* x = row.x + head * row.head_width;
    int64_t i = 0;
    for (; i + kPairs <= row.pair_count; i += kPairs) {
      const Vec pairs = load(x + 2 * i);
      const Vec crossed = swap_neighbours(pairs) * load_doubled(row.sines + i);
      const Vec cosine = load_doubled(row.cosines + i);
      store(x + 2 * i,
            row.is_inverse ? fma_alternating_negated(pairs, cosine, crossed) : fma_alternating(pairs, cosine, crossed));
    }
    for (; i < row.pair_count; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      const float sine = row.is_inverse ? -row.sines[i] : row.sines[i];
      x[2 * i] = a * row.cosines[i] - b * sine;
      x[2 * i + 1] = a * sine + b * row.cosines[i];
    }
  }
}

constexpr RopeKernels kKernels = {rotate_halves, rotate_interleaved};

}  // namespace
}  // namespace pelton
