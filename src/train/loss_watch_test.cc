#include "train/loss_watch.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pelton {
namespace {

// Falls from 4 towards 2, with batches that differ by ±0.3.
double usual(int step) { return 2 + 2 * std::exp(-step / 40.0) + 0.3 * std::sin(step * 12.9898); }

TEST(LossWatch, SaysNothingOfAUsualRun) {
  LossWatch watch;
  for (int step = 0; step < 500; ++step) EXPECT_FALSE(watch.add(usual(step))) << step;
}

TEST(LossWatch, TellsEachSpike) {
  LossWatch watch;
  for (int step = 0; step < 100; ++step) watch.add(usual(step));
  const auto spike = watch.add(7);
  ASSERT_TRUE(spike);
  EXPECT_NEAR(spike->mean, 2.2, 0.3);
  EXPECT_TRUE(watch.add(7)) << "the first one does not hide the second";
  EXPECT_FALSE(watch.add(usual(102)));
  EXPECT_FALSE(watch.add(0.1)) << "what falls is no spike";
}

TEST(LossWatch, ANewLevelBecomesTheUsualOne) {
  LossWatch watch;
  for (int step = 0; step < 100; ++step) watch.add(usual(step));
  int told = 0;
  for (int step = 0; step < 100; ++step) told += watch.add(8 + usual(step)) ? 1 : 0;
  EXPECT_EQ(told, 5);
}

TEST(LossWatch, FewLossesTellNothing) {
  LossWatch watch;
  for (int step = 0; step < 9; ++step) EXPECT_FALSE(watch.add(step == 8 ? 100 : 2));
}

}  // namespace
}  // namespace pelton
