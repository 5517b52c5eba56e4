#include "ops/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

namespace pelton {
namespace {

TEST(SplitRange, PartsAreDisjointCompleteAndOnGrains) {
  for (int64_t count : {0, 1, 7, 16, 17, 100, 4096}) {
    for (int64_t grain : {1, 3, 16}) {
      for (int parts : {1, 2, 3, 7}) {
        int64_t next = 0;
        for (int part = 0; part < parts; ++part) {
          const Range range = split_range(count, grain, part, parts);
          EXPECT_EQ(range.begin, next);
          EXPECT_LE(range.begin, range.end);
          EXPECT_TRUE(range.begin == count || range.begin % grain == 0);
          next = range.end;
        }
        EXPECT_EQ(next, count);
      }
    }
  }
}

class ExecutorThreads : public testing::TestWithParam<int> {};

TEST_P(ExecutorThreads, EveryThreadNumberRunsOnceInEachOfManyRegions) {
  Executor executor(GetParam());
  EXPECT_EQ(executor.thread_count(), GetParam());
  std::vector<std::atomic<int>> runs(static_cast<size_t>(GetParam()));
  for (int region = 0; region < 200; ++region) {
    executor.parallel([&](int thread, int thread_count) {
      EXPECT_EQ(thread_count, GetParam());
      ++runs[static_cast<size_t>(thread)];
    });
  }
  for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 200);
}

TEST_P(ExecutorThreads, ParallelForVisitsEachIndexOnce) {
  Executor executor(GetParam());
  for (int64_t count : {0, 1, 5, 1000}) {
    std::vector<int> visits(static_cast<size_t>(count), 0);
    executor.parallel_for(count, 4, [&](Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (int visit : visits) EXPECT_EQ(visit, 1);
  }
}

TEST_P(ExecutorThreads, WorksFromAnotherThreadThanTheOneThatMadeIt) {
  Executor executor(GetParam());
  std::atomic<int> runs = 0;
  std::thread([&] { executor.parallel([&](int, int) { ++runs; }); }).join();
  EXPECT_EQ(runs, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Counts, ExecutorThreads, testing::Values(1, 2, 3));

TEST(Executor, SmallWorkStaysOnTheCallingThread) {
  Executor executor(2);
  std::thread::id id;
  executor.parallel_for(8, 8, [&](Range) { id = std::this_thread::get_id(); });
  EXPECT_EQ(id, std::this_thread::get_id());
}

TEST(Executor, ItsThreadsTakeNoSignals) {
  Executor executor(3);
  std::vector<int> is_blocked(3);
  // Each part waits for the others, so that none runs two.
  std::atomic<int> arrived{0};
  executor.parallel([&](int thread, int thread_count) {
    ++arrived;
    while (arrived < thread_count) std::this_thread::yield();
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    is_blocked[static_cast<size_t>(thread)] = sigismember(&blocked, SIGINT);
  });
  EXPECT_EQ(is_blocked, (std::vector<int>{0, 1, 1}));
}

TEST(Executor, ZeroMeansEveryUsableCore) { EXPECT_GE(Executor().thread_count(), 1); }

TEST(ExecutorDeathTest, RegionsDoNotNest) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int threads : {1, 2}) {
    EXPECT_DEATH(
        {
          Executor executor(threads);
          executor.parallel([&](int, int) { executor.parallel([](int, int) {}); });
        },
        "is_in_region");
    EXPECT_DEATH(
        {
          Executor executor(threads);
          executor.parallel([&](int, int) { executor.parallel_for(1, 1, [](Range) {}); });
        },
        "is_in_region");
  }
}

TEST(ExecutorDeathTest, AnExceptionEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int threads : {1, 2}) {
    EXPECT_DEATH(
        {
          Executor executor(threads);
          executor.parallel([](int thread, int) {
            if (thread == 0) throw std::runtime_error("thrown in a region");
          });
        },
        "thrown in a region");
  }
}

}  // namespace
}  // namespace pelton
