// Dense float32 matrix product: oneDNN where the build has it (and PELTON_ISA is not scalar), a blocked plain loop
// otherwise. Threads share the blocks of C, whose cut depends on the shape only: results do not depend on their number.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

struct GemmShape {
  int64_t m, n, k;
  bool is_a_transposed = false;  // a is [k, m] instead of [m, k]
  bool is_b_transposed = false;  // b is [n, k] instead of [k, n]
  float beta = 0;                // 0: c is assigned, 1: added to
  // Floats between rows as they lie in memory; 0: contiguous.
  int64_t a_stride = 0;
  int64_t b_stride = 0;
  int64_t c_stride = 0;
};
// c [m, n] = op(a) · op(b) + beta · c; all row-major. c must not overlap a or b.
void gemm_f32(Executor& executor, const GemmShape& shape, const float* a, const float* b, float* c);

}  // namespace pelton
