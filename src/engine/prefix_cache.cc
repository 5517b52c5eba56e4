#include "engine/prefix_cache.h"

#include <bit>

#include "base/check.h"

namespace pelton {

PrefixCache::PrefixCache(int64_t page_count)
    : entries_(static_cast<size_t>(page_count)), slots_(std::bit_ceil(2 * entries_.size() + 1), kNone) {}

size_t PrefixCache::slot_of(const PrefixHash& prefix) const {
  size_t slot = home_slot(prefix);
  while (slots_[slot] != kNone && entries_[static_cast<size_t>(slots_[slot])].prefix != prefix) slot = next_slot(slot);
  return slot;
}

std::optional<PageId> PrefixCache::find(const PrefixHash& prefix) const {
  const int32_t page = slots_[slot_of(prefix)];
  if (page == kNone) return std::nullopt;
  return PageId{page};
}

bool PrefixCache::insert(PageId page, const PrefixHash& prefix) {
  CHECK(!contains(page));
  int32_t& slot = slots_[slot_of(prefix)];
  if (slot != kNone) return false;
  slot = index_of(page);
  entries_[index(page)].prefix = prefix;
  entries_[index(page)].holds_prefix = true;
  return true;
}

// Without tombstones: whoever stands behind the gap and could stand in it moves there (Knuth, volume 3, algorithm R).
void PrefixCache::erase(PageId page) {
  size_t gap = slot_of(entries_[index(page)].prefix);
  entries_[index(page)].holds_prefix = false;
  for (size_t slot = next_slot(gap); slots_[slot] != kNone; slot = next_slot(slot)) {
    const size_t home = home_slot(entries_[static_cast<size_t>(slots_[slot])].prefix);
    const size_t mask = slots_.size() - 1;
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;  // its home lies behind the gap
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = kNone;
}

void PrefixCache::set_idle(PageId page) {
  CHECK(contains(page));
  Entry& entry = entries_[index(page)];
  entry.older = newest_;
  entry.newer = kNone;
  if (newest_ != kNone) entries_[static_cast<size_t>(newest_)].newer = index_of(page);
  newest_ = index_of(page);
  if (oldest_ == kNone) oldest_ = newest_;
  ++idle_count_;
}

void PrefixCache::set_busy(PageId page) {
  CHECK(contains(page));
  unlink(entries_[index(page)]);
}

void PrefixCache::unlink(Entry& entry) {
  (entry.older == kNone ? oldest_ : entries_[static_cast<size_t>(entry.older)].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[static_cast<size_t>(entry.newer)].older) = entry.older;
  --idle_count_;
}

PageId PrefixCache::evict() {
  CHECK(oldest_ != kNone);
  const PageId page{oldest_};
  unlink(entries_[index(page)]);
  erase(page);
  return page;
}

}  // namespace pelton
