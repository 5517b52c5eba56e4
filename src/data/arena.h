// Memory for what a batch of records needs beside its block of input: it only grows, and is given back all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pelton::data {

// What it gives out stays where it is until reset(). Not thread-safe: one batch, one arena, one thread at a time.
class Arena {
 public:
  // Uninitialised bytes. Aligned for any fundamental type.
  char* allocate(size_t bytes) {
    const size_t needed = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    while (true) {
      if (current_ < chunks_.size() && needed <= chunks_[current_].size - used_) {
        char* start = chunks_[current_].memory.get() + used_;
        used_ += needed;
        return start;
      }
      next_chunk(needed);
    }
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* start = allocate(text.size());
    std::memcpy(start, text.data(), text.size());
    return {start, text.size()};
  }

  template <typename T>
  std::span<T> copy(std::span<const T> items) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kAlignment);
    if (items.empty()) return {};
    T* start = reinterpret_cast<T*>(allocate(items.size_bytes()));
    std::uninitialized_copy(items.begin(), items.end(), start);
    return {start, items.size()};
  }

  // All that was given out is void; the memory is kept for the next batch.
  void reset() {
    current_ = 0;
    used_ = 0;
    if (bytes() > kBytesKept) chunks_.clear();
  }

  size_t bytes() const {
    size_t sum = 0;
    for (const Chunk& chunk : chunks_) sum += chunk.size;
    return sum;
  }

 private:
  static constexpr size_t kAlignment = alignof(std::max_align_t);
  static constexpr size_t kChunkBytes = size_t{1} << 20;
  static constexpr size_t kBytesKept = size_t{16} << 20;  // what a giant record needed is not kept

  struct Chunk {
    std::unique_ptr<char[]> memory;
    size_t size;
  };

  void next_chunk(size_t needed) {
    if (current_ < chunks_.size()) ++current_;
    used_ = 0;
    if (current_ < chunks_.size() && needed <= chunks_[current_].size) return;
    const size_t size = std::max(kChunkBytes, needed);
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(current_),
                   {std::unique_ptr<char[]>(new char[size]), size});
  }

  std::vector<Chunk> chunks_;
  size_t current_ = 0;
  size_t used_ = 0;
};

}  // namespace pelton::data
