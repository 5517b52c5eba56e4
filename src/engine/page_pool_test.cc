#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"

namespace pelton {
namespace {

TEST(PagePool, GivesTheLowestFreePageFirst) {
  PagePool pool(130);
  for (int32_t i = 0; i < 130; ++i) EXPECT_EQ(pool.allocate(), PageId{i});
  EXPECT_EQ(pool.free_count(), 0);
  for (const int32_t i : {129, 3, 64}) pool.release(PageId{i});
  EXPECT_EQ(pool.allocate(), PageId{3});
  EXPECT_EQ(pool.allocate(), PageId{64});
  EXPECT_EQ(pool.allocate(), PageId{129});
}

TEST(PagePool, SharedPageIsFreeAfterTheLastRelease) {
  PagePool pool(1);
  const PageId page = pool.allocate();
  pool.share(page);
  EXPECT_EQ(pool.reference_count(page), 2);
  pool.release(page);
  EXPECT_EQ(pool.free_count(), 0);
  pool.release(page);
  EXPECT_EQ(pool.free_count(), 1);
}

TEST(PagePool, CountsWhatIsUsed) {
  PagePool pool(5);
  const PageId first = pool.allocate();
  pool.allocate();
  pool.release(first);
  EXPECT_EQ(pool.page_count(), 5);
  EXPECT_EQ(pool.used_count(), 1);
  EXPECT_EQ(pool.used_count_max(), 2);
}

TEST(PagePoolDeathTest, MisuseIsABug) {
  PagePool pool(2);
  const PageId page = pool.allocate();
  pool.release(page);
  EXPECT_DEATH(pool.release(page), "bug");
  EXPECT_DEATH(pool.share(page), "bug");
  EXPECT_DEATH(pool.release(PageId{2}), "bug");
  EXPECT_DEATH(pool.release(PageId{-1}), "bug");
  pool.allocate();
  pool.allocate();
  EXPECT_DEATH(pool.allocate(), "bug");
}

TEST(PagePool, AgreesWithASetOverRandomUse) {
  constexpr int64_t kPageCount = 200;
  PagePool pool(kPageCount);
  std::set<int32_t> free;
  for (int32_t i = 0; i < kPageCount; ++i) free.insert(i);
  std::vector<PageId> held;  // once for each reference
  Rng rng(1);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t action = rng.next_below(3);
    if (action == 0 && !free.empty()) {
      const PageId page = pool.allocate();
      ASSERT_EQ(index_of(page), *free.begin());
      free.erase(free.begin());
      held.push_back(page);
    } else if (action == 1 && !held.empty()) {
      held.push_back(held[rng.next_below(held.size())]);
      pool.share(held.back());
    } else if (!held.empty()) {
      std::swap(held[rng.next_below(held.size())], held.back());
      const PageId page = held.back();
      held.pop_back();
      pool.release(page);
      if (std::find(held.begin(), held.end(), page) == held.end()) free.insert(index_of(page));
    }
    ASSERT_EQ(pool.free_count(), static_cast<int64_t>(free.size()));
  }
}

TEST(PageTable, GrowsAndGivesBack) {
  PagePool pool(4);
  PageTable table;
  table.grow(pool, 2);
  table.grow(pool, 1);  // nothing to do
  EXPECT_EQ(std::vector(table.indices().begin(), table.indices().end()), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(table[1], PageId{1});
  table.release(pool);
  EXPECT_EQ(table.size(), 0);
  EXPECT_EQ(pool.free_count(), 4);
}

TEST(PageTable, GivesBackWhatNobodyReadsAnyMore) {
  PagePool pool(4);
  PageTable table;
  table.grow(pool, 3);
  table.release_before(pool, 2);
  table.release_before(pool, 1);  // nothing to do
  EXPECT_EQ(table.size(), 3);
  EXPECT_EQ(table.held_count(), 1);
  EXPECT_EQ(pool.free_count(), 3);
  table.grow(pool, 5);  // into the pages that are free again
  EXPECT_EQ(table[3], PageId{0});
  EXPECT_EQ(table[4], PageId{1});
  EXPECT_EQ(table[2], PageId{2});
  table.release_before(pool, 99);
  EXPECT_EQ(table.held_count(), 0);
  table.release(pool);
  EXPECT_EQ(table.size(), 0);
  EXPECT_EQ(pool.free_count(), 4);
}

TEST(WindowPageCount, CountsWhatAWindowAndAStepTouchAtMost) {
  EXPECT_EQ(window_page_count_max(1, 1, 16), 1);
  EXPECT_EQ(window_page_count_max(2, 1, 16), 2);   // across a border
  EXPECT_EQ(window_page_count_max(17, 1, 16), 2);  // 17 positions
  EXPECT_EQ(window_page_count_max(18, 1, 16), 3);  // the last, a whole page, the first
  EXPECT_EQ(window_page_count_max(12, 7, 4), 6);
  EXPECT_EQ(window_page_count_max(3, 2, 1), 4);
}

}  // namespace
}  // namespace pelton
