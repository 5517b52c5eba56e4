// Memory for activations and their gradients, kept from step to step: what the system hands out it must fill with
// zeros first, page by page, and a training step would ask for all of it anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "base/aligned.h"

namespace pelton {

// One thread at a time.
class BufferPool {
 public:
  using Buffer = AlignedArray<float>;
  enum class Mode : uint8_t {
    kAllocate,
    kCount,  // buffers have sizes and no memory
  };

  explicit BufferPool(Mode mode = Mode::kAllocate) : mode_(mode) {}

  // Room for at least `count` floats, contents unspecified.
  Buffer take(size_t count);
  void give(Buffer buffer);
  // A new step begins: what the one before it did not use goes back to the system.
  void start_step();
  size_t kept_bytes() const;
  // The most that was there at once, in use or kept.
  size_t bytes_max() const { return floats_max_ * sizeof(float); }

 private:
  struct Kept {
    Buffer buffer;
    size_t step;  // that gave it back
  };
  Mode mode_;
  std::multimap<size_t, Kept> free_;  // by size
  size_t step_ = 0;
  size_t floats_ = 0;  // in use or kept
  size_t floats_max_ = 0;
};

}  // namespace pelton
