#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace pelton::cli {
namespace {

bool is_readable(int descriptor) {
  pollfd waiting{descriptor, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

TEST(Interrupt, RemembersASignalUntilItIsCleared) {
  InterruptScope interrupt;
  EXPECT_EQ(interrupt.signal(), 0);
  EXPECT_FALSE(is_readable(interrupt.descriptor()));
  std::raise(SIGINT);
  EXPECT_EQ(interrupt.signal(), SIGINT);
  EXPECT_TRUE(is_readable(interrupt.descriptor()));
  interrupt.clear();
  EXPECT_EQ(interrupt.signal(), 0);
  EXPECT_FALSE(is_readable(interrupt.descriptor()));
}

TEST(Interrupt, WaitReturnsTheSignalOfAnotherThread) {
  InterruptScope interrupt;
  std::thread sender([] { std::raise(SIGTERM); });
  EXPECT_EQ(interrupt.wait(), SIGTERM);
  sender.join();
  EXPECT_EQ(InterruptScope::exit_code(SIGINT), 130);
}

TEST(Interrupt, SurvivesMoreSignalsThanItsPipeHolds) {
  InterruptScope interrupt;
  for (int i = 0; i < 70'000; ++i) std::raise(SIGINT);
  EXPECT_EQ(interrupt.wait(), SIGINT);
}

TEST(Interrupt, GivesTheOldHandlerBack) {
  static int count = 0;
  std::signal(SIGINT, [](int) { ++count; });
  { InterruptScope interrupt; }
  std::raise(SIGINT);
  EXPECT_EQ(count, 1);
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace
}  // namespace pelton::cli
