// Memory for activations and their gradients, kept from step to step: what the system hands out it must fill with
// zeros first, page by page, and a training step would ask for all of it anew.
#pragma once

#include <cstddef>
#include <map>

#include "base/aligned.h"

namespace pelton {

// One thread at a time.
class BufferPool {
 public:
  using Buffer = AlignedArray<float>;

  // Room for at least `count` floats, contents unspecified.
  Buffer take(size_t count);
  void give(Buffer buffer);
  // A new step begins: what the one before it did not use goes back to the system.
  void start_step();
  size_t kept_bytes() const;

 private:
  struct Kept {
    Buffer buffer;
    size_t step;  // that gave it back
  };
  std::multimap<size_t, Kept> free_;  // by size
  size_t step_ = 0;
};

}  // namespace pelton
