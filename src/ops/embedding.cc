#include "ops/embedding.h"

#include "base/check.h"
#include "kernels/decode/decode.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/grain.h"

namespace pelton {

void embedding(Executor& executor, const Tensor& table, const int32_t* ids, int64_t row_count, float* y) {
  CHECK(table.shape().rank() == 2);
  const int64_t width = table.shape()[1];
  const DecodeFunction decode = decode_kernel(active_isa(), table.type());
  executor.parallel_for(row_count, parallel_grain(row_count, 2 * width), [&](Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      CHECK(ids[row] >= 0 && ids[row] < table.shape()[0]);
      decode(table.row(ids[row]), y + row * width, width);
    }
  });
}

void embedding_backward(Executor& executor, const float* d_y, const int32_t* ids, int64_t row_count, int64_t width,
                        float* d_table) {
  const ElementwiseKernels& kernels = elementwise_kernels(active_isa());
  // Each thread owns columns and walks all rows: no two threads meet in a row that occurs twice, and the order of the
  // sums does not depend on the thread count.
  constexpr int64_t kColumnGrain = 16;  // a cache line
  executor.parallel_for(width, parallel_grain(width, 2 * row_count, kColumnGrain), [&](Range columns) {
    for (int64_t row = 0; row < row_count; ++row) {
      float* target = d_table + ids[row] * width + columns.begin;
      kernels.add(d_y + row * width + columns.begin, target, columns.end - columns.begin, target);
    }
  });
}

}  // namespace pelton
