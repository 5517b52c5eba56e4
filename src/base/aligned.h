// Memory for SIMD: cache-line aligned, sized once, not initialised.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace pelton {

inline constexpr size_t kCacheLineBytes = 64;

// An array of trivially destructible T, aligned to a cache line and padded to whole lines. std::bad_alloc if refused.
template <typename T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
    if (bytes == 0) return;
    void* memory = std::aligned_alloc(kCacheLineBytes, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    data_.reset(static_cast<T*>(memory));
  }

  // Has a size and no memory, for who reckons what would be needed.
  static AlignedArray unbacked(size_t count) {
    AlignedArray array;
    array.count_ = count;
    return array;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return count_; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + count_; }
  T& operator[](size_t index) { return data_.get()[index]; }
  const T& operator[](size_t index) const { return data_.get()[index]; }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T, Free> data_;
  size_t count_ = 0;
};

}  // namespace pelton
