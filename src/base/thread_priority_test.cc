#include "base/thread_priority.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace pelton {
namespace {

bool is_low() {
  return ::sched_getscheduler(0) == SCHED_IDLE ||
         ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid))) == 19;
}

TEST(ThreadPriority, IsTheThreadsOwnAndOfThoseItStarts) {
  const bool was_low = is_low();
  bool is_lowered = false, starts_low = false;
  std::thread([&] {
    if (!lower_thread_priority()) return;
    is_lowered = is_low();
    std::thread([&] { starts_low = is_low(); }).join();
  }).join();
  EXPECT_TRUE(is_lowered);
  EXPECT_TRUE(starts_low);
  EXPECT_EQ(is_low(), was_low);
}

}  // namespace
}  // namespace pelton
