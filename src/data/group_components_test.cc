#include "data/group_components.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"
#include "data/disjoint_sets.h"

namespace pelton::data {
namespace {

// Joins what is connected by random pairs, and asks: the components must be those of all pairs.
TEST(GroupComponents, FindsTheComponentsOfAllPairs) {
  using Answer = GroupComponents::Answer;
  Rng rng(17);
  for (int turn = 0; turn < 200; ++turn) {
    const auto count = static_cast<uint32_t>(1 + rng.next_below(30));
    std::vector<std::vector<bool>> is_pair(count, std::vector<bool>(count));
    DisjointSets expected(count);
    std::vector<uint32_t> labels(count);
    for (uint32_t a = 0; a < count; ++a) {
      labels[a] = static_cast<uint32_t>(rng.next_below(60));
      for (uint32_t b = 0; b < a; ++b) {
        is_pair[a][b] = rng.next_below(40) == 0;
        if (is_pair[a][b] || labels[a] == labels[b]) expected.join(a, b);
      }
    }
    GroupComponents components(labels);
    DisjointSets found(count);
    for (uint32_t a = 0; a < count; ++a) {
      for (uint32_t b = 0; b < a; ++b) {
        if (labels[a] == labels[b]) found.join(a, b);
      }
    }
    for (uint32_t item = 0; item < count; ++item) {
      components.take_in(item, [&](uint32_t other) {
        EXPECT_LT(other, item);
        EXPECT_NE(found.root_of(other), found.root_of(item));
        if (!is_pair[item][other]) return Answer::kNext;
        found.join(item, other);
        return Answer::kJoin;
      });
    }
    for (uint32_t a = 0; a < count; ++a) EXPECT_EQ(found.root_of(a), expected.root_of(a));
  }
}

TEST(GroupComponents, EqualItemsCostOneQuestionEach) {
  constexpr uint32_t kCount = 5000;
  std::vector<uint32_t> labels(kCount);
  std::iota(labels.begin(), labels.end(), 0u);
  GroupComponents components(labels);
  int questions = 0;
  for (uint32_t item = 0; item < kCount; ++item) {
    components.take_in(item, [&](uint32_t) {
      ++questions;
      return GroupComponents::Answer::kJoin;
    });
  }
  EXPECT_EQ(questions, static_cast<int>(kCount) - 1);
}

TEST(GroupComponents, StopLeavesTheItemAlone) {
  const std::vector<uint32_t> labels = {0, 1, 2, 3};
  GroupComponents components(labels);
  int questions = 0;
  for (uint32_t item = 0; item < 4; ++item) {
    components.take_in(item, [&](uint32_t) {
      ++questions;
      return GroupComponents::Answer::kStop;
    });
  }
  EXPECT_EQ(questions, 3);
}

}  // namespace
}  // namespace pelton::data
