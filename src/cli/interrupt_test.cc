#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "base/signal_block.h"
#include "ops/executor.h"
#include "ops/gemm.h"

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

// oneDNN's code for small matrices uses memory below the stack pointer; a handler on the same stack changed its results
// and freed pointers.
TEST(Interrupt, ASignalDoesNotChangeWhatAThreadComputes) {
  Executor executor(1);
  const GemmShape shape = {.m = 46, .n = 113, .k = 103, .is_a_transposed = true};
  std::vector<float> a(static_cast<size_t>(shape.m * shape.k));
  std::vector<float> b(static_cast<size_t>(shape.k * shape.n));
  std::iota(a.begin(), a.end(), -200.0f);
  std::iota(b.begin(), b.end(), -500.0f);
  std::vector<float> expected(static_cast<size_t>(shape.m * shape.n));
  gemm_f32(executor, shape, a.data(), b.data(), expected.data());

  const InterruptScope interrupt;
  const pthread_t computing = ::pthread_self();
  std::atomic<bool> is_done{false};
  std::thread sender([&] {
    const SignalBlock block;
    while (!is_done) ::pthread_kill(computing, SIGINT);
  });
  std::vector<float> c(expected.size());
  int wrong = 0;
  for (int i = 0; i < 5'000; ++i) {
    gemm_f32(executor, shape, a.data(), b.data(), c.data());
    wrong += c == expected ? 0 : 1;
  }
  is_done = true;
  sender.join();
  EXPECT_EQ(interrupt.signal(), SIGINT);
  EXPECT_EQ(wrong, 0);
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
