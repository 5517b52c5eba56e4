// One tensor's values in another element type and another order of rows, piece by piece.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "model/row_order.h"
#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

struct TensorRecoding {
  std::string_view name;  // for errors
  Tensor source;
  ElementType type = ElementType::kF32;
  RowOrder order = RowOrder::kSame;
  int64_t head_width = 0;  // where rows change their order: they are a whole number of heads (CHECKed)
};

// Hands the bytes of the new tensor to `sink`, in order, on this thread, in pieces of some megabytes. Rows are decoded
// and encoded by all threads; a row's bytes depend on it alone. Where the type stays, bytes are copied as they are.
// Errors: kInvalidArgument (a value that is infinite or NaN, or too large for the type: named by its place); what
// `sink` throws.
void recode_tensor(Executor& executor, const TensorRecoding& recoding,
                   FunctionRef<void(std::span<const std::byte>)> sink);

}  // namespace pelton
