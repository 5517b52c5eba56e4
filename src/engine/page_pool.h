// The KV cache's pages: who has which. Ids only; the memory belongs to the runner.
//
// Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/page_id.h"
#include "engine/prefix_cache.h"

namespace pelton {

// A fixed number of pages with reference counts. A page that holds a prefix is kept when its last reader leaves, until
// somebody needs its room. The lowest empty page is taken first: sequences that start together get runs of neighbours,
// and memory that was never needed is never touched.
class PagePool {
 public:
  explicit PagePool(int64_t page_count);

  // A page with one reference: an empty one, else the one that was kept longest. There must be a free one.
  PageId allocate();
  // One more reference to a page in use, or the first to one that is kept.
  void share(PageId page);
  // One reference less. The last one frees the page.
  void release(PageId page);

  // `page`, in use, holds all of this prefix's last positions, and nobody writes into it any more. Another page that
  // holds it already stays the one that is found.
  void keep(PageId page, const PrefixHash& prefix);
  std::optional<PageId> find(const PrefixHash& prefix) const { return cache_.find(prefix); }

  int64_t page_count() const { return static_cast<int64_t>(reference_counts_.size()); }
  int64_t free_count() const { return empty_count_ + kept_count(); }  // can be allocated
  int64_t kept_count() const { return cache_.idle_count(); }          // hold a prefix that nobody reads just now
  int64_t used_count() const { return page_count() - free_count(); }
  int64_t used_count_max() const { return used_count_max_; }  // so far
  int32_t reference_count(PageId page) const;

 private:
  size_t checked(PageId page) const;
  PageId take_empty();

  std::vector<int32_t> reference_counts_;
  std::vector<uint64_t> free_bits_;  // bit i % 64 of word i / 64: page i is empty
  size_t first_free_word_ = 0;       // no word before it has an empty page
  int64_t empty_count_ = 0;
  int64_t used_count_max_ = 0;
  PrefixCache cache_;
};

// The pages of one sequence in order: page i holds positions [i P, (i + 1) P). The first ones may be gone, where nobody
// reads so far back.
class PageTable {
 public:
  // Of a table without pages: pages [first, first + pages.size()) are these, which get one more reference each; those
  // before them count as gone.
  void share(PagePool& pool, int64_t first, std::span<const PageId> pages);
  // Memory for so many, so that growing allocates none.
  void reserve(int64_t page_count) { indices_.reserve(static_cast<size_t>(page_count)); }
  // Takes pages from the pool until page `page_count` - 1 is there. There must be as many free ones.
  void grow(PagePool& pool, int64_t page_count);
  // Gives pages [0, first) back, those that are there.
  void release_before(PagePool& pool, int64_t first);
  // A table of the same pages, each with one more reference.
  PageTable fork(PagePool& pool) const;
  // Puts a page of its own in place of a shared one, which must be there. There must be a free one.
  PageCopy own(PagePool& pool, int64_t index);
  // Gives all back, the last one first: of a prefix that is kept, the end is given up before the beginning.
  void release(PagePool& pool);

  int64_t size() const { return static_cast<int64_t>(indices_.size()); }  // with those that are gone
  int64_t first() const { return first_; }                                // the first that is not gone
  int64_t held_count() const { return size() - first_; }
  bool holds(int64_t index) const { return index >= first_ && index < size(); }
  PageId operator[](int64_t index) const { return PageId{indices_[static_cast<size_t>(index)]}; }
  // As the decoder wants them; entries of pages that are gone say which they were. Valid until the table changes.
  std::span<const int32_t> indices() const { return indices_; }

 private:
  std::vector<int32_t> indices_;
  int64_t first_ = 0;  // the pages before it are gone
};

// Which pages layers keep that see only the last `window` positions; what all layers of that kind share.
struct WindowPages {
  int64_t page_count = 0;  // of all sequences
  int64_t window = 0;
};

// Pages of `page_token_count` positions that `position_count` consecutive positions touch at most.
constexpr int64_t touched_page_count_max(int64_t position_count, int64_t page_token_count) {
  return (position_count + page_token_count - 2) / page_token_count + 1;
}
// Pages that a sequence holds at most in such layers, while up to `row_count` rows of it are computed in a step: what
// the first of them sees, and they themselves.
constexpr int64_t window_page_count_max(int64_t window, int64_t row_count, int64_t page_token_count) {
  return touched_page_count_max(window - 1 + row_count, page_token_count);
}

}  // namespace pelton
