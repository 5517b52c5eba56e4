// When work is worth a parallel region.
#pragma once

#include <cstdint>

namespace pelton {

// Waking the team costs about a microsecond; this many simple operations take about two.
inline constexpr int64_t kParallelOperationsMin = 32768;

// The grain for Executor::parallel_for over `count` items of so many operations each: all of them where the whole is
// not worth a region, else `grain`.
inline int64_t parallel_grain(int64_t count, int64_t operations_each, int64_t grain = 1) {
  return count * operations_each < kParallelOperationsMin ? count : grain;
}

}  // namespace pelton
