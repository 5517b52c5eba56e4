// The part of a product that adapters add, for whoever computes the product by columns. Of this folder only;
// ops/linear.h has what callers see.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "ops/column_product.h"
#include "ops/linear.h"

namespace pelton {

// Of up to so many products of the same rows.
class LowRankSums {
 public:
  static constexpr size_t kProductCountMax = 4;

  // x · Aᵀ of all rows that have an adapter, in one region; none where there are none. One object of this kind at a
  // time on a thread, which the region of add() belongs to. Groups of a product must not overlap.
  LowRankSums(Executor& executor, LinearInput& x, std::span<const std::span<const LowRankRows>> products);

  // y += scale · (x · Aᵀ) · Bᵀ, then ⊙ factors, for these columns of a product, all of its rows that have an adapter,
  // after the product itself was written there. By a thread of the region.
  void add(size_t product, const ColumnProduct& target, Range columns, int thread) const;

 private:
  // Rows of one adapter in one product.
  struct Group {
    size_t product;
    Range rows;
    const LowRankWeight* weight;
    float* low;         // [rows, R]
    uint16_t* rounded;  // the same where B reads BF16
  };
  static void multiply_by_a(Executor& executor, LinearInput& x, const Group& group, Range rows);

  std::span<const Group> groups_;
  std::array<Range, kProductCountMax> groups_of_{};  // indices into groups_
  float* blocks_ = nullptr;                          // of each thread
  int64_t block_floats_ = 0;
};

}  // namespace pelton
