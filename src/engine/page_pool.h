// The KV cache's pages: who has which. Ids only; the memory belongs to the runner.
//
// Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pelton {

enum class PageId : int32_t {};

constexpr int32_t index_of(PageId page) { return static_cast<int32_t>(page); }

// A fixed number of pages with reference counts. The lowest free page is taken first: sequences that start together get
// runs of neighbours, and memory that was never needed is never touched.
class PagePool {
 public:
  explicit PagePool(int64_t page_count);

  // A page with one reference. There must be a free one.
  PageId allocate();
  // One more reference to a page in use.
  void share(PageId page);
  // One reference less; the last one frees the page.
  void release(PageId page);

  int64_t page_count() const { return static_cast<int64_t>(reference_counts_.size()); }
  int64_t free_count() const { return free_count_; }
  int64_t used_count() const { return page_count() - free_count_; }
  int64_t used_count_max() const { return used_count_max_; }  // so far
  int32_t reference_count(PageId page) const;

 private:
  size_t checked(PageId page) const;

  std::vector<int32_t> reference_counts_;
  std::vector<uint64_t> free_bits_;  // bit i % 64 of word i / 64: page i is free
  size_t first_free_word_ = 0;       // no word before it has a free page
  int64_t free_count_ = 0;
  int64_t used_count_max_ = 0;
};

// The pages of one sequence in order: page i holds positions [i P, (i + 1) P). The first ones may be gone, where nobody
// reads so far back.
class PageTable {
 public:
  // Takes pages from the pool until page `page_count` - 1 is there. There must be as many free ones.
  void grow(PagePool& pool, int64_t page_count);
  // Gives pages [0, first) back, those that are there.
  void release_before(PagePool& pool, int64_t first);
  // Gives all back.
  void release(PagePool& pool);

  int64_t size() const { return static_cast<int64_t>(indices_.size()); }  // with those that are gone
  int64_t held_count() const { return size() - first_; }
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
