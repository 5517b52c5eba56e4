#include "model/row_order.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

// The pair (i, i + K/2) of Hugging Face becomes the neighbours (2i, 2i + 1), head by head.
TEST(RowOrder, NeighboursAreTheRotatedPairs) {
  constexpr int64_t kHeadWidth = 6;
  for (int64_t head = 0; head < 3; ++head) {
    for (int64_t i = 0; i < kHeadWidth / 2; ++i) {
      const int64_t first = head * kHeadWidth;
      EXPECT_EQ(source_row(RowOrder::kInterleave, first + 2 * i, kHeadWidth), first + i);
      EXPECT_EQ(source_row(RowOrder::kInterleave, first + 2 * i + 1, kHeadWidth), first + i + kHeadWidth / 2);
    }
  }
}

TEST(RowOrder, OneUndoesTheOther) {
  for (const int64_t head_width : {2, 4, 10, 64}) {
    for (int64_t row = 0; row < 3 * head_width; ++row) {
      const int64_t there = source_row(RowOrder::kInterleave, row, head_width);
      EXPECT_EQ(source_row(RowOrder::kDeinterleave, there, head_width), row);
      EXPECT_EQ(source_row(RowOrder::kSame, row, 0), row);
    }
  }
}

}  // namespace
}  // namespace pelton
