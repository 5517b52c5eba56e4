#include "model/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace pelton {
namespace {

// Steps of different lengths shall find each other's buffers fitting: one of eight sizes between two powers of two.
size_t rounded_up(size_t count) {
  const size_t step = std::bit_floor(count) / 8;
  return step == 0 ? count : (count + step - 1) / step * step;
}

}  // namespace

BufferPool::Buffer BufferPool::take(size_t count) {
  const size_t size = rounded_up(count);
  const auto found = free_.lower_bound(size);
  if (found == free_.end() || found->first > 2 * size) {
    floats_ += size;
    floats_max_ = std::max(floats_max_, floats_);
    return mode_ == Mode::kCount ? Buffer::unbacked(size) : Buffer(size);
  }
  Buffer buffer = std::move(found->second.buffer);
  free_.erase(found);
  return buffer;
}

void BufferPool::give(Buffer buffer) {
  if (buffer.size() == 0) return;
  const size_t size = buffer.size();
  free_.emplace(size, Kept{std::move(buffer), step_});
}

size_t BufferPool::kept_bytes() const {
  size_t count = 0;
  for (const auto& [size, kept] : free_) count += size;
  return count * sizeof(float);
}

void BufferPool::start_step() {
  std::erase_if(free_, [&](const auto& entry) {
    const bool is_unused = entry.second.step < step_;
    if (is_unused) floats_ -= entry.first;
    return is_unused;
  });
  ++step_;
}

}  // namespace pelton
