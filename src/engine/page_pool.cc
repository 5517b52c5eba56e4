#include "engine/page_pool.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace pelton {
namespace {

constexpr size_t kWordBits = 64;

}  // namespace

PagePool::PagePool(int64_t page_count)
    : reference_counts_(static_cast<size_t>(page_count)),
      free_bits_((static_cast<size_t>(page_count) + kWordBits - 1) / kWordBits),
      free_count_(page_count) {
  for (size_t page = 0; page < reference_counts_.size(); ++page) {
    free_bits_[page / kWordBits] |= uint64_t{1} << (page % kWordBits);
  }
}

size_t PagePool::checked(PageId page) const {
  const auto index = static_cast<size_t>(index_of(page));
  CHECK(index < reference_counts_.size());
  return index;
}

PageId PagePool::allocate() {
  CHECK(free_count_ > 0);
  while (free_bits_[first_free_word_] == 0) ++first_free_word_;
  uint64_t& word = free_bits_[first_free_word_];
  const size_t page = first_free_word_ * kWordBits + static_cast<size_t>(std::countr_zero(word));
  word &= word - 1;  // clears the lowest set bit
  reference_counts_[page] = 1;
  --free_count_;
  used_count_max_ = std::max(used_count_max_, used_count());
  return PageId{static_cast<int32_t>(page)};
}

void PagePool::share(PageId page) {
  int32_t& count = reference_counts_[checked(page)];
  CHECK(count > 0);
  ++count;
}

void PagePool::release(PageId page) {
  const size_t index = checked(page);
  CHECK(reference_counts_[index] > 0);
  if (--reference_counts_[index] > 0) return;
  const size_t word = index / kWordBits;
  free_bits_[word] |= uint64_t{1} << (index % kWordBits);
  first_free_word_ = std::min(first_free_word_, word);
  ++free_count_;
}

int32_t PagePool::reference_count(PageId page) const { return reference_counts_[checked(page)]; }

void PageTable::grow(PagePool& pool, int64_t page_count) {
  while (size() < page_count) indices_.push_back(index_of(pool.allocate()));
}

void PageTable::release_before(PagePool& pool, int64_t first) {
  for (; first_ < std::min(first, size()); ++first_) pool.release((*this)[first_]);
}

void PageTable::release(PagePool& pool) {
  release_before(pool, size());
  indices_.clear();
  first_ = 0;
}

}  // namespace pelton
