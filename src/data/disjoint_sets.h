// Union-find (Tarjan 1975) over the numbers 0 to count - 1; 4 bytes each. The smallest number stands for its set, so
// that the result does not depend on the order of joining. Not thread-safe, but for root_of between joins.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace pelton::data {

class DisjointSets {
 public:
  explicit DisjointSets(uint32_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0u); }

  // Changes nothing: any number of threads may ask while none joins.
  uint32_t root_of(uint32_t item) const {
    while (parents_[item] != item) item = parents_[item];
    return item;
  }
  // False: they were in one set already.
  bool join(uint32_t a, uint32_t b) {
    a = compress(a);
    b = compress(b);
    if (a == b) return false;
    if (b < a) std::swap(a, b);
    parents_[b] = a;
    return true;
  }

  // Makes each root_of one step.
  void flatten() {
    for (uint32_t& parent : parents_) parent = parents_[parent];  // those before it are flat: a parent is smaller
  }

 private:
  uint32_t compress(uint32_t item) {
    const uint32_t root = root_of(item);
    while (parents_[item] != root) item = std::exchange(parents_[item], root);
    return root;
  }

  std::vector<uint32_t> parents_;
};

}  // namespace pelton::data
