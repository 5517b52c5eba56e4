#include "base/memory_usage.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace pelton {
namespace {

TEST(MemoryUsage, SeesWhatIsTakenAndGivenBack) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  const int64_t before = resident_bytes().anonymous;
  EXPECT_GT(before, 0);
  // From the system itself: an allocator may keep what it gets back, as AddressSanitizer's does.
  void* taken = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(taken, MAP_FAILED);
  std::memset(taken, 1, kBytes);
  EXPECT_GT(resident_bytes().anonymous, before + kBytes / 2);
  ASSERT_EQ(::munmap(taken, kBytes), 0);
  EXPECT_LT(resident_bytes().anonymous, before + kBytes / 2);
  EXPECT_GT(resident_bytes_max(), before + kBytes / 2);
}

}  // namespace
}  // namespace pelton
