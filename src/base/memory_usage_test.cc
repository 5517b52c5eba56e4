#include "base/memory_usage.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace pelton {
namespace {

TEST(MemoryUsage, SeesWhatIsTakenAndGivenBack) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  const int64_t before = resident_bytes();
  EXPECT_GT(before, 0);
  {
    const std::vector<std::byte> taken(static_cast<size_t>(kBytes), std::byte{1});
    EXPECT_GT(resident_bytes(), before + kBytes / 2);
    EXPECT_EQ(taken.back(), std::byte{1});
  }
  EXPECT_LT(resident_bytes(), before + kBytes / 2);
  EXPECT_GT(resident_bytes_max(), before + kBytes / 2);
}

}  // namespace
}  // namespace pelton
