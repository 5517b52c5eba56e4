#include "engine/ranking.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(Ranking, IsBestFirstAndStable) {
  const std::vector<float> scores = {0.5f, 0.9f, 0.5f, -1, 0.9f};
  EXPECT_EQ(ranking(scores, std::nullopt), (std::vector<size_t>{1, 4, 0, 2, 3}));
  EXPECT_EQ(ranking(scores, 3), (std::vector<size_t>{1, 4, 0}));
  EXPECT_EQ(ranking(scores, 99).size(), 5u);
  EXPECT_TRUE(ranking({}, 2).empty());
}

}  // namespace
}  // namespace pelton
