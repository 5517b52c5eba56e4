#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <vector>

#include "base/rng.h"
#include "engine/page_pool.h"

namespace pelton {
namespace {

PrefixHash prefix(uint64_t number) { return {number, ~number}; }

TEST(PrefixHasher, NamesEverythingBeforeAndTheSalt) {
  const PrefixHasher hasher({1, 2});
  const std::vector<TokenId> page{TokenId{5}, TokenId{6}};
  const std::vector<TokenId> other{TokenId{6}, TokenId{5}};
  const PrefixHash first = hasher.extend(hasher.root(""), page);
  EXPECT_EQ(hasher.extend(hasher.root(""), page), first);
  EXPECT_NE(hasher.extend(hasher.root(""), other), first);
  EXPECT_NE(hasher.extend(hasher.root("tenant"), page), first);
  EXPECT_NE(hasher.extend(first, page), first);
  EXPECT_NE(PrefixHasher({1, 3}).extend(hasher.root(""), page), first);
}

TEST(PrefixCache, GivesUpTheLongestIdleFirst) {
  PrefixCache cache(4);
  for (int32_t i = 0; i < 3; ++i) EXPECT_TRUE(cache.insert(PageId{i}, prefix(static_cast<uint64_t>(i))));
  EXPECT_FALSE(cache.insert(PageId{3}, prefix(1))) << "a second page for one prefix";
  for (const int32_t i : {2, 0, 1}) cache.set_idle(PageId{i});
  cache.set_busy(PageId{2});
  cache.set_idle(PageId{2});
  EXPECT_EQ(cache.evict(), PageId{0});
  EXPECT_EQ(cache.find(prefix(0)), std::nullopt);
  EXPECT_EQ(cache.evict(), PageId{1});
  EXPECT_EQ(cache.evict(), PageId{2});
  EXPECT_EQ(cache.idle_count(), 0);
}

// Prefixes whose home slots collide all the time, so that gaps must be closed behind what is evicted.
TEST(PrefixCache, AgreesWithAMapOverRandomUse) {
  constexpr int32_t kPageCount = 37;
  PrefixCache cache(kPageCount);
  std::map<uint64_t, int32_t> pages;  // by prefix
  std::vector<int32_t> busy;
  std::list<int32_t> idle;  // oldest first
  std::vector<int32_t> empty;
  for (int32_t i = 0; i < kPageCount; ++i) empty.push_back(i);
  Rng rng(1);
  for (int i = 0; i < 50'000; ++i) {
    const uint64_t number = rng.next_below(60);
    const PrefixHash hash{number % 5, number};
    const uint64_t action = rng.next_below(4);
    if (action == 0 && !empty.empty()) {
      const bool is_new = pages.emplace(number, empty.back()).second;
      ASSERT_EQ(cache.insert(PageId{empty.back()}, hash), is_new);
      if (is_new) busy.push_back(empty.back());
      if (is_new) empty.pop_back();
    } else if (action == 1 && !busy.empty()) {
      std::swap(busy[rng.next_below(busy.size())], busy.back());
      cache.set_idle(PageId{busy.back()});
      idle.push_back(busy.back());
      busy.pop_back();
    } else if (action == 2 && !idle.empty()) {
      const auto page = std::next(idle.begin(), static_cast<int64_t>(rng.next_below(idle.size())));
      cache.set_busy(PageId{*page});
      busy.push_back(*page);
      idle.erase(page);
    } else if (action == 3 && !idle.empty()) {
      ASSERT_EQ(cache.evict(), PageId{idle.front()});
      std::erase_if(pages, [&](const auto& entry) { return entry.second == idle.front(); });
      empty.push_back(idle.front());
      idle.pop_front();
    }
    ASSERT_EQ(cache.idle_count(), static_cast<int64_t>(idle.size()));
    const auto found = pages.find(number);
    ASSERT_EQ(cache.find(hash), found == pages.end() ? std::nullopt : std::optional(PageId{found->second}));
  }
}

TEST(PagePool, KeepsAPrefixUntilItsRoomIsNeeded) {
  PagePool pool(3);
  const PageId first = pool.allocate();
  const PageId second = pool.allocate();
  pool.keep(first, prefix(1));
  pool.keep(second, prefix(1));  // the first one stays the one that is found
  pool.release(second);
  pool.release(first);
  EXPECT_EQ(pool.used_count(), 0);
  EXPECT_EQ(pool.free_count(), 3);
  EXPECT_EQ(pool.kept_count(), 1);

  EXPECT_EQ(pool.find(prefix(1)), first);
  pool.share(first);
  EXPECT_EQ(pool.used_count(), 1);
  pool.release(first);

  EXPECT_EQ(pool.allocate(), second);  // empty ones first
  EXPECT_EQ(pool.allocate(), PageId{2});
  EXPECT_EQ(pool.find(prefix(1)), first);
  EXPECT_EQ(pool.allocate(), first);
  EXPECT_EQ(pool.find(prefix(1)), std::nullopt);
  EXPECT_EQ(pool.free_count(), 0);
}

TEST(PageTable, TakesAPrefixAndGivesItsEndUpFirst) {
  PagePool pool(4);
  PageTable table;
  table.grow(pool, 4);
  for (int32_t i = 0; i < 4; ++i) pool.keep(table[i], prefix(static_cast<uint64_t>(i)));
  table.release(pool);

  const std::vector<PageId> tail{PageId{1}, PageId{2}};
  PageTable window;
  window.share(pool, 1, tail);
  EXPECT_EQ(window.size(), 3);
  EXPECT_EQ(window.held_count(), 2);
  EXPECT_EQ(window[2], PageId{2});
  EXPECT_EQ(pool.used_count(), 2);
  window.release(pool);
  EXPECT_EQ(pool.used_count(), 0);
  // The others were used before, and of each table the end goes first.
  for (const int32_t page : {3, 0, 2, 1}) EXPECT_EQ(pool.allocate(), PageId{page});
}

}  // namespace
}  // namespace pelton
