// Which bytes of a file are there.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace pelton {

struct ByteRange {
  int64_t begin = 0;
  int64_t end = 0;  // exclusive

  int64_t size_bytes() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

class RangeSet {
 public:
  // Ranges may overlap and touch; an empty one adds nothing.
  void add(ByteRange range);
  int64_t size_bytes() const;
  // What [0, size_bytes) lacks, in order.
  std::vector<ByteRange> missing(int64_t size_bytes) const;

 private:
  std::map<int64_t, int64_t> ends_;  // begin → end; apart from each other
};

// Cuts each range into parts of at most `part_bytes`.
std::vector<ByteRange> split_ranges(const std::vector<ByteRange>& ranges, int64_t part_bytes);

}  // namespace pelton
