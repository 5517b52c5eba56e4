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
      empty_count_(page_count),
      cache_(page_count) {
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
  CHECK(free_count() > 0);
  const PageId page = empty_count_ > 0 ? take_empty() : cache_.evict();
  reference_counts_[checked(page)] = 1;
  used_count_max_ = std::max(used_count_max_, used_count());
  return page;
}

PageId PagePool::take_empty() {
  while (free_bits_[first_free_word_] == 0) ++first_free_word_;
  uint64_t& word = free_bits_[first_free_word_];
  const size_t page = first_free_word_ * kWordBits + static_cast<size_t>(std::countr_zero(word));
  word &= word - 1;  // clears the lowest set bit
  --empty_count_;
  return PageId{static_cast<int32_t>(page)};
}

void PagePool::share(PageId page) {
  int32_t& count = reference_counts_[checked(page)];
  CHECK(count > 0 || cache_.contains(page));
  if (count++ > 0) return;
  cache_.set_busy(page);
  used_count_max_ = std::max(used_count_max_, used_count());
}

void PagePool::release(PageId page) {
  const size_t index = checked(page);
  CHECK(reference_counts_[index] > 0);
  if (--reference_counts_[index] > 0) return;
  if (cache_.contains(page)) return cache_.set_idle(page);
  const size_t word = index / kWordBits;
  free_bits_[word] |= uint64_t{1} << (index % kWordBits);
  first_free_word_ = std::min(first_free_word_, word);
  ++empty_count_;
}

void PagePool::keep(PageId page, const PrefixHash& prefix) {
  CHECK(reference_counts_[checked(page)] > 0);
  if (!cache_.contains(page)) cache_.insert(page, prefix);
}

int32_t PagePool::reference_count(PageId page) const { return reference_counts_[checked(page)]; }

void PageTable::share(PagePool& pool, int64_t first, std::span<const PageId> pages) {
  CHECK(indices_.empty());
  first_ = first;
  indices_.resize(static_cast<size_t>(first));
  for (const PageId page : pages) {
    pool.share(page);
    indices_.push_back(index_of(page));
  }
}

void PageTable::grow(PagePool& pool, int64_t page_count) {
  while (size() < page_count) indices_.push_back(index_of(pool.allocate()));
}

void PageTable::release_before(PagePool& pool, int64_t first) {
  for (; first_ < std::min(first, size()); ++first_) pool.release((*this)[first_]);
}

PageTable PageTable::fork(PagePool& pool) const {
  for (int64_t i = first_; i < size(); ++i) pool.share((*this)[i]);
  return *this;
}

PageCopy PageTable::own(PagePool& pool, int64_t index) {
  CHECK(holds(index));
  const PageCopy copy{(*this)[index], pool.allocate()};
  pool.release(copy.from);
  indices_[static_cast<size_t>(index)] = index_of(copy.to);
  return copy;
}

void PageTable::release(PagePool& pool) {
  for (int64_t i = size(); i-- > first_;) pool.release((*this)[i]);
  indices_.clear();
  first_ = 0;
}

}  // namespace pelton
