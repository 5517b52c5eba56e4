#include "data/external_sort.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"

namespace pelton::data {
namespace {

std::vector<uint64_t> sorted(std::vector<uint64_t> rows, size_t memory_bytes_max) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "external_sort";
  std::filesystem::create_directories(folder);
  std::vector<uint64_t> result;
  {
    ExternalSorter<uint64_t, std::less<>> sorter(folder, "rows", memory_bytes_max);
    for (const uint64_t row : rows) sorter.add(row);
    sorter.sort();
    for (uint64_t row = 0; sorter.next(row);) result.push_back(row);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  return result;
}

TEST(ExternalSort, SameInMemoryAndOnDisk) {
  Rng rng(7);
  for (const size_t count : {0, 1, 1023, 1024, 1025, 10000}) {
    std::vector<uint64_t> rows(count);
    for (uint64_t& row : rows) row = rng.next_below(5000);
    std::vector<uint64_t> expected = rows;
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(sorted(rows, 1 << 20), expected) << count;
    EXPECT_EQ(sorted(rows, 8 * 1024), expected) << count;  // up to ten runs
  }
}

}  // namespace
}  // namespace pelton::data
