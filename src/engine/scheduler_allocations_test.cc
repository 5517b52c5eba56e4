// Planning a step allocates nothing once its like has been seen, and the cache of prefixes, full and evicting all the
// time, never grows. Counts the C library's allocations; not under sanitizers, which bring their own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/scheduler.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<int64_t> allocation_count = 0;
}  // namespace

// glibc's own, under a name that its headers do not declare.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
void* __libc_malloc(size_t bytes);
// NOLINTEND(readability-identifier-naming)

void* malloc(size_t bytes) {
  ++allocation_count;
  return __libc_malloc(bytes);
}
}

namespace pelton {
namespace {

TEST(SchedulerAllocations, AStepAllocatesNothing) {
  constexpr int64_t kPage = 4;
  constexpr int64_t kTokensMax = 4000;
  Scheduler scheduler({.page_count = 3000,
                       .local = WindowPages{.page_count = 64, .window = 20},
                       .page_token_count = kPage,
                       .step_token_count_max = 16,
                       .sequence_count_max = 8});
  uint64_t name_count = 0;
  for (uint64_t i = 1; i <= 3; ++i) {
    const PrefixHash first{++name_count, 0};
    scheduler.add({.id = SequenceId{i}, .token_count = kPage, .token_count_max = kTokensMax, .prefixes = {&first, 1}});
  }
  StepPlan plan;
  int64_t token_count = kPage;
  const auto step = [&] {
    scheduler.plan(plan);
    scheduler.complete(plan);
    ++token_count;
    for (const ScheduledRows& rows : plan.sequences) {
      const bool fills_page = token_count % kPage == 0;
      scheduler.append_token(rows.id, fills_page ? std::optional(PrefixHash{++name_count, 1}) : std::nullopt);
    }
  };
  for (int i = 0; i < 10; ++i) step();
  const int64_t before = allocation_count;
  while (token_count < kTokensMax) step();
  EXPECT_EQ(allocation_count, before);
  EXPECT_EQ(plan.sequences.size(), 3u);
  EXPECT_GT(scheduler.pages_kept(), 0) << "windows left pages behind";
}

}  // namespace
}  // namespace pelton

#endif
