// Which pages of a pool hold the keys and values of which prefix, so that a sequence that begins alike finds them, and
// in what order those that nobody reads any more are given up: the longest unused first.
//
// Ids only, as in PagePool, which owns one. Fixed memory: nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/page_id.h"
#include "engine/prefix_hash.h"

namespace pelton {

class PrefixCache {
 public:
  explicit PrefixCache(int64_t page_count);

  // The page that holds the last positions of this prefix.
  std::optional<PageId> find(const PrefixHash& prefix) const;
  // `page`, which holds no prefix and is in use, holds this one from now on. False: another page does; nothing changes.
  bool insert(PageId page, const PrefixHash& prefix);
  bool contains(PageId page) const { return entries_[index(page)].holds_prefix; }

  // Of a page that holds a prefix: its last reader left; it has a reader again.
  void set_idle(PageId page);
  void set_busy(PageId page);
  int64_t idle_count() const { return idle_count_; }
  // Forgets the page that has been idle longest. There must be one.
  PageId evict();

 private:
  static constexpr int32_t kNone = -1;  // end of a list, empty slot
  struct Entry {
    PrefixHash prefix;
    bool holds_prefix = false;
    int32_t older = kNone;  // neighbours in the list of idle pages
    int32_t newer = kNone;
  };

  static size_t index(PageId page) { return static_cast<size_t>(index_of(page)); }
  size_t home_slot(const PrefixHash& prefix) const { return static_cast<size_t>(prefix.low) & (slots_.size() - 1); }
  size_t next_slot(size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  // Where `prefix` is, or else would go.
  size_t slot_of(const PrefixHash& prefix) const;
  void erase(PageId page);
  void unlink(Entry& entry);

  std::vector<Entry> entries_;  // by page
  std::vector<int32_t> slots_;  // open addressing, linear probing, at most half full: pages, or kNone
  int32_t oldest_ = kNone;
  int32_t newest_ = kNone;
  int64_t idle_count_ = 0;
};

}  // namespace pelton
