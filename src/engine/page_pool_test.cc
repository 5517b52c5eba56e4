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

}  // namespace
}  // namespace pelton
