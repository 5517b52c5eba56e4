#include "bench/spread.h"

#include <gtest/gtest.h>

#include <vector>

namespace pelton {
namespace {

TEST(Spread, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(spread_of(std::vector<double>{3, 1, 2}).median, 2);
  EXPECT_EQ(spread_of(std::vector<double>{4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(spread_of(std::vector<double>{4, 1, 3, 2}).min, 1);
  EXPECT_EQ(spread_of(std::vector<double>{4, 1, 3, 2}).max, 4);
  EXPECT_EQ(spread_of(std::vector<double>{7}).median, 7);
  EXPECT_EQ(spread_of({}).max, 0);
}

}  // namespace
}  // namespace pelton
