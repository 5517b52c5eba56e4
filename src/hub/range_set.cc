#include "hub/range_set.h"

#include <algorithm>
#include <iterator>

namespace pelton {

void RangeSet::add(ByteRange range) {
  if (range.begin >= range.end) return;
  auto next = ends_.upper_bound(range.begin);
  if (next != ends_.begin() && std::prev(next)->second >= range.begin) {
    --next;
    range.begin = next->first;
  }
  while (next != ends_.end() && next->first <= range.end) {
    range.end = std::max(range.end, next->second);
    next = ends_.erase(next);
  }
  ends_.emplace(range.begin, range.end);
}

int64_t RangeSet::size_bytes() const {
  int64_t bytes = 0;
  for (const auto& [begin, end] : ends_) bytes += end - begin;
  return bytes;
}

std::vector<ByteRange> RangeSet::missing(int64_t size_bytes) const {
  std::vector<ByteRange> gaps;
  int64_t position = 0;
  for (const auto& [begin, end] : ends_) {
    if (begin > position) gaps.push_back({position, std::min(begin, size_bytes)});
    position = std::max(position, end);
    if (position >= size_bytes) break;
  }
  if (position < size_bytes) gaps.push_back({position, size_bytes});
  return gaps;
}

std::vector<ByteRange> split_ranges(const std::vector<ByteRange>& ranges, int64_t part_bytes) {
  std::vector<ByteRange> parts;
  for (const ByteRange& range : ranges) {
    for (int64_t begin = range.begin; begin < range.end; begin += part_bytes) {
      parts.push_back({begin, std::min(begin + part_bytes, range.end)});
    }
  }
  return parts;
}

}  // namespace pelton
