#include "ops/give_way.h"

#include <gtest/gtest.h>

#include <thread>

#include "ops/executor.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;

TEST(GiveWay, PausesOnlyWhileOthersAreBusyAndNotForLong) {
  bool is_busy = false;
  const GiveWay way({.is_busy = [&] { return is_busy; }, .pause_share = 3, .pause_max = milliseconds(50)});
  EXPECT_EQ(way.pause_after(milliseconds(7)), Duration::zero());
  is_busy = true;
  EXPECT_EQ(way.pause_after(milliseconds(7)), milliseconds(21));
  EXPECT_EQ(way.pause_after(milliseconds(700)), milliseconds(50));
}

TEST(GiveWay, EachRegionOfItsThreadAsksAndNoOther) {
  Executor executor(2), another(2);
  int asked = 0;
  {
    const GiveWay way({.is_busy = [&] { return ++asked < 0; }});
    EXPECT_EQ(GiveWay::current(), &way);
    executor.parallel([](int, int) {});
    executor.parallel_for(100, 1, [](Range) {});
    executor.parallel_for(1, 1, [](Range) {});  // no region: too small
    EXPECT_EQ(asked, 2);
    std::thread([&] { another.parallel([](int, int) {}); }).join();
    EXPECT_EQ(asked, 2);
  }
  EXPECT_EQ(GiveWay::current(), nullptr);
  executor.parallel([](int, int) {});
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace pelton
