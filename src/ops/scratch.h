// Memory that its owner keeps from call to call: it grows and never shrinks, so that steady work allocates nothing.
// A function that needs some declares `static thread_local Scratch<float> scratch;`, and reserves before it opens a
// region: within, `scratch` would be the other thread's own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/aligned.h"

namespace pelton {

template <typename T>
class Scratch {
 public:
  // Room for `count` T, aligned to a cache line, contents unspecified. Valid until the next call.
  T* reserve(int64_t count) {
    const size_t wanted = static_cast<size_t>(count);
    if (wanted > memory_.size()) memory_ = AlignedArray<T>(wanted + wanted / 2);
    return memory_.data();
  }

 private:
  AlignedArray<T> memory_;
};

}  // namespace pelton
