// What adapters make of a product (AdapterTerm in ops/linear.h, which has what callers see), for whoever computes the
// product by columns. Of this folder only.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "ops/column_product.h"
#include "ops/linear.h"

namespace pelton {

// Of up to so many products of the same rows.
class AdapterTerms {
 public:
  static constexpr size_t kProductCountMax = 4;

  // x · Aᵀ of all rows whose adapter has an A, in one region; none where there are none. One object of this kind at a
  // time on a thread, which the region of add() belongs to. Groups of a product must not overlap.
  AdapterTerms(Executor& executor, LinearInput& x, std::span<const std::span<const AdaptedRows>> products);

  // y = (y + (x · Aᵀ) · Bᵀ) ⊙ factors + addend, for these columns of a product, all of its rows that have an adapter,
  // after the product itself, of input(), was written there. By a thread of the region.
  void add(size_t product, const ColumnProduct& target, Range columns, int thread) const;

  // What the matrix of a product reads: x itself, or, where an adapter has factors for it, a copy with these rows
  // scaled. Valid until the next call for a product of this number on this thread.
  static LinearInput& input(Executor& executor, LinearInput& x, size_t product, std::span<const AdaptedRows> adapted);

 private:
  // Rows of one adapter in one product.
  struct Group {
    size_t product;
    Range rows;
    const AdapterTerm* term;
    float* low;         // [rows, R]; null: it has no A
    uint16_t* rounded;  // the same where B reads BF16
  };
  static void multiply_by_a(Executor& executor, LinearInput& x, const Group& group, Range rows);

  std::span<const Group> groups_;
  std::array<Range, kProductCountMax> groups_of_{};  // indices into groups_
  float* blocks_ = nullptr;                          // of each thread
  int64_t block_floats_ = 0;
};

}  // namespace pelton
