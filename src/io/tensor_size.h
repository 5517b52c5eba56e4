// How many bytes a tensor described by a file takes, computed so that no shape can overflow anything.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/tensor.h"

namespace pelton {

// Every dimension must be at least 0 and the innermost a whole number of blocks. std::nullopt: the elements or the
// bytes do not fit in an int64_t, or would not if a dimension of 0 were left out (so that no later product of some of
// the dimensions overflows either).
inline std::optional<int64_t> checked_size_bytes(ElementType type, const Shape& shape) {
  int64_t elements = 1;
  bool is_empty = false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    is_empty |= shape[axis] == 0;
    if (shape[axis] != 0 && __builtin_mul_overflow(elements, shape[axis], &elements)) return std::nullopt;
  }
  int64_t bound = 0;  // above every intermediate of bytes_of
  if (__builtin_mul_overflow(elements, int64_t{info(type).block_bytes}, &bound)) return std::nullopt;
  return is_empty ? 0 : bytes_of(type, elements);
}

}  // namespace pelton
