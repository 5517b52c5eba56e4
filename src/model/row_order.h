// The order of a head's rows in query and key matrices. Hugging Face rotates the pair (i, i + K/2); llama.cpp's
// converter reorders the rows of some architectures so that rotated pairs are neighbours
// (Architecture::interleaves_heads_in_gguf).
#pragma once

#include <cstdint>

namespace pelton {

enum class RowOrder {
  kSame,
  kInterleave,    // from Hugging Face's order to GGUF's
  kDeinterleave,  // and back
};

// Where the row that stands at `row` of the result stands in the source. K = head_width, even; kSame does not need it.
inline int64_t source_row(RowOrder order, int64_t row, int64_t head_width) {
  if (order == RowOrder::kSame) return row;
  const int64_t half = head_width / 2;
  const int64_t head = row / head_width * head_width;
  const int64_t i = row % head_width;
  return order == RowOrder::kInterleave ? head + i / 2 + i % 2 * half : head + i % half * 2 + i / half;
}

}  // namespace pelton
