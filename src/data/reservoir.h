// A uniform sample of a stream whose length nobody knows (Vitter 1985, "Random Sampling with a Reservoir", algorithm
// R).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace pelton::data {

template <typename Item>
class Reservoir {
 public:
  // The same seed takes the same places of a stream.
  Reservoir(size_t size_max, uint64_t seed) : size_max_(size_max), rng_(seed) {}

  // The next one of the stream; `make` is called where it is taken, if only for now.
  template <typename Make>
  void offer(Make&& make) {
    const uint64_t position = seen_++;
    if (taken_.size() < size_max_) {
      taken_.push_back({position, make()});
    } else if (const uint64_t place = rng_.next_below(seen_); place < size_max_) {
      taken_[place] = {position, make()};
    }
  }

  // In the order of the stream.
  std::vector<Item> take() {
    std::sort(taken_.begin(), taken_.end(), [](const Taken& a, const Taken& b) { return a.position < b.position; });
    std::vector<Item> items;
    for (Taken& taken : taken_) items.push_back(std::move(taken.item));
    taken_.clear();
    return items;
  }

 private:
  struct Taken {
    uint64_t position;
    Item item;
  };

  size_t size_max_;
  Rng rng_;
  uint64_t seen_ = 0;
  std::vector<Taken> taken_;
};

}  // namespace pelton::data
