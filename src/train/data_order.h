// Which example comes when: a function of the seed alone, so that a resumed run goes on with the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pelton {

class DataOrder {
 public:
  // At least one example. Shuffled: each epoch in an order of its own; else as they lie in the files, wrapping.
  DataOrder(int64_t example_count, bool shuffles, uint64_t seed);

  // The example at `position` of the endless stream of epochs.
  int64_t at(int64_t position);

 private:
  void make_epoch(int64_t epoch);

  int64_t example_count_;
  bool shuffles_;
  uint64_t seed_;
  int64_t epoch_ = -1;  // whose order this is
  std::vector<int64_t> order_;
};

}  // namespace pelton
