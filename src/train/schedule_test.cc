#include "train/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "train/data_order.h"

namespace pelton {
namespace {

std::vector<double> shares(const Schedule& schedule) {
  std::vector<double> shares;
  for (int64_t step = 0; step < schedule.steps; ++step) shares.push_back(schedule.share_at(step));
  return shares;
}

TEST(Schedule, RisesThenStays) {
  EXPECT_THAT(shares({.kind = ScheduleKind::kConstant, .steps = 4, .warmup_steps = 2}),
              testing::ElementsAre(0.5, 1, 1, 1));
}

TEST(Schedule, FallsInALine) {
  EXPECT_THAT(shares({.kind = ScheduleKind::kLinear, .steps = 5, .warmup_steps = 1}),
              testing::ElementsAre(1, 1, 0.75, 0.5, 0.25));
  EXPECT_THAT(shares({.kind = ScheduleKind::kLinear, .steps = 2, .least = 0.5}), testing::ElementsAre(1, 0.75));
}

TEST(Schedule, FallsAlongHalfACosine) {
  EXPECT_THAT(shares({.kind = ScheduleKind::kCosine, .steps = 4}),
              testing::Pointwise(testing::DoubleNear(1e-12), {1.0, 0.85355339059327, 0.5, 0.14644660940673}));
}

TEST(Schedule, FallsAtTheEndOnly) {
  EXPECT_THAT(shares({.kind = ScheduleKind::kWsd, .steps = 6, .warmup_steps = 2, .decay_steps = 2, .least = 0}),
              testing::ElementsAre(0.5, 1, 1, 1, 1, 0.5));
}

TEST(DataOrder, EachEpochIsAPermutationOfItsOwn) {
  DataOrder order(50, {.shuffles = true, .seed = 7});
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < 50; ++i) first.push_back(order.at(i));
  for (int64_t i = 50; i < 100; ++i) second.push_back(order.at(i));
  EXPECT_NE(first, second);
  DataOrder again(50, {.shuffles = true, .seed = 7});
  EXPECT_EQ(again.at(73), second[23]) << "without having seen what comes before";
  EXPECT_EQ(again.at(3), first[3]);
  for (std::vector<int64_t>* epoch : {&first, &second}) {
    std::sort(epoch->begin(), epoch->end());
    for (int64_t i = 0; i < 50; ++i) EXPECT_EQ((*epoch)[static_cast<size_t>(i)], i);
  }
  DataOrder other(50, {.shuffles = true, .seed = 8});
  std::vector<int64_t> of_other;
  for (int64_t i = 0; i < 50; ++i) of_other.push_back(other.at(i));
  std::vector<int64_t> of_first;
  for (int64_t i = 0; i < 50; ++i) of_first.push_back(again.at(i));
  EXPECT_NE(of_other, of_first);
}

TEST(DataOrder, UnshuffledWraps) {
  DataOrder order(3, {.shuffles = false, .seed = 0});
  EXPECT_THAT((std::vector<int64_t>{order.at(0), order.at(2), order.at(3), order.at(7)}),
              testing::ElementsAre(0, 2, 0, 1));
}

TEST(DataOrder, BatchesOfNearlyTheSameLength) {
  Rng rng(2);
  DataOrderOptions options{.seed = 3, .batch_size = 4};
  for (int i = 0; i < 403; ++i) options.lengths.push_back(static_cast<int64_t>(1 + rng.next_below(1000)));
  DataOrder order(403, options);
  std::vector<int64_t> seen;
  int64_t spread = 0;
  bool is_sorted = true;
  int64_t last = -1;
  for (int64_t batch = 0; batch < 302; ++batch) {  // three epochs, the borders of which lie within batches
    int64_t shortest = 1000, longest = 0;
    for (int64_t i = batch * 4; i < batch * 4 + 4; ++i) {
      seen.push_back(order.at(i));
      shortest = std::min(shortest, options.lengths[static_cast<size_t>(seen.back())]);
      longest = std::max(longest, options.lengths[static_cast<size_t>(seen.back())]);
    }
    spread += longest - shortest;
    is_sorted = is_sorted && (last < 0 || longest <= last);
    last = longest;
  }
  EXPECT_LT(spread / 302, 60) << "four lengths of a thousand at random differ by 600";
  EXPECT_FALSE(is_sorted);
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<int64_t> one(seen.begin() + epoch * 403, seen.begin() + (epoch + 1) * 403);
    std::sort(one.begin(), one.end());
    for (int64_t i = 0; i < 403; ++i) ASSERT_EQ(one[static_cast<size_t>(i)], i);
  }
}

TEST(PackExamples, FillsGroupsAndLosesNothing) {
  Rng rng(4);
  std::vector<int64_t> lengths;
  int64_t total = 0;
  for (int i = 0; i < 500; ++i) {
    lengths.push_back(static_cast<int64_t>(1 + rng.next_below(700)));
    total += lengths.back();
  }
  const auto groups = pack_examples(lengths, 1024);
  std::vector<int64_t> all;
  for (const std::vector<int64_t>& group : groups) {
    int64_t tokens = 0;
    for (const int64_t example : group) tokens += lengths[static_cast<size_t>(example)];
    EXPECT_LE(tokens, 1024);
    EXPECT_TRUE(std::is_sorted(group.begin(), group.end()));
    all.insert(all.end(), group.begin(), group.end());
  }
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 500; ++i) ASSERT_EQ(all.at(static_cast<size_t>(i)), i);
  EXPECT_LT(static_cast<int64_t>(groups.size()), total / 1024 + 5);
}

TEST(PackExamples, WhatIsTooLongStandsAlone) {
  const std::vector<int64_t> lengths = {3, 12, 7, 10, 1};
  EXPECT_EQ(pack_examples(lengths, 10), (std::vector<std::vector<int64_t>>{{0, 2}, {1}, {3}, {4}}));
}

}  // namespace
}  // namespace pelton
