// Kernels that rotate pairs of dimensions: (a, b) -> (a cos - b sin, a sin + b cos).
#pragma once

#include <cstdint>
#include <vector>

#include "base/cpu.h"
#include "kernels/op_case.h"

namespace pelton {

// One row: `heads` vectors of head_width floats, back to back, rotated in place in their first 2 · pair_count
// dimensions.
struct RopeRow {
  float* x;
  int64_t head_count;
  int64_t head_width;
  const float* cosines;  // [pair_count]
  const float* sines;    // [pair_count]
  int64_t pair_count;
  bool is_inverse;  // rotates by the negative angles
};

struct RopeKernels {
  void (*rotate_halves)(const RopeRow& row);       // pairs (i, i + pair_count)
  void (*rotate_interleaved)(const RopeRow& row);  // pairs (2i, 2i + 1)
};

const RopeKernels& rope_kernels(Isa isa);
void append_rope_cases(std::vector<OpCase>& cases);

// What rope_kernels chooses from.
const RopeKernels* rope_kernels_reference();
const RopeKernels* rope_kernels_avx2();
const RopeKernels* rope_kernels_avx512();
const RopeKernels* rope_kernels_neon();

}  // namespace pelton
