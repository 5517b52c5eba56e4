#include "train/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  DataOrder order(50, true, 7);
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < 50; ++i) first.push_back(order.at(i));
  for (int64_t i = 50; i < 100; ++i) second.push_back(order.at(i));
  EXPECT_NE(first, second);
  DataOrder again(50, true, 7);
  EXPECT_EQ(again.at(73), second[23]) << "without having seen what comes before";
  EXPECT_EQ(again.at(3), first[3]);
  for (std::vector<int64_t>* epoch : {&first, &second}) {
    std::sort(epoch->begin(), epoch->end());
    for (int64_t i = 0; i < 50; ++i) EXPECT_EQ((*epoch)[static_cast<size_t>(i)], i);
  }
  DataOrder other(50, true, 8);
  std::vector<int64_t> of_other;
  for (int64_t i = 0; i < 50; ++i) of_other.push_back(other.at(i));
  std::vector<int64_t> of_first;
  for (int64_t i = 0; i < 50; ++i) of_first.push_back(again.at(i));
  EXPECT_NE(of_other, of_first);
}

TEST(DataOrder, UnshuffledWraps) {
  DataOrder order(3, false, 0);
  EXPECT_THAT((std::vector<int64_t>{order.at(0), order.at(2), order.at(3), order.at(7)}),
              testing::ElementsAre(0, 2, 0, 1));
}

}  // namespace
}  // namespace pelton
