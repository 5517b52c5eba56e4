// Dense float32 matrix product: oneDNN where the build has it, a blocked plain loop otherwise.
#pragma once

#include <cstdint>

#include "ops/executor.h"

namespace pelton {

struct GemmShape {
  int64_t m, n, k;
  bool is_a_transposed = false;  // a is [k, m] instead of [m, k]
  bool is_b_transposed = false;  // b is [n, k] instead of [k, n]
  float beta = 0;                // 0: c is assigned, 1: added to
};
// c [m, n] = op(a) · op(b) + beta · c; all row-major and contiguous.
void gemm_f32(Executor& executor, const GemmShape& shape, const float* a, const float* b, float* c);

}  // namespace pelton
