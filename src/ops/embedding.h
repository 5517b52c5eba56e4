// Rows of a table by token id.
#pragma once

#include <cstdint>

#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

// y [T, D] = decoded rows of table [V, D] (any decodable type). Every id must be in [0, V): the caller checks.
void embedding(Executor& executor, const Tensor& table, const int32_t* ids, int64_t row_count, float* y);
// d_table [V, D] += d_y [T, D], row by row; an id that occurs twice is added twice.
void embedding_backward(Executor& executor, const float* d_y, const int32_t* ids, int64_t row_count, int64_t width,
                        float* d_table);

}  // namespace pelton
