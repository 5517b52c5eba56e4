// Which example comes when: a function of the seed alone, so that a resumed run goes on with the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pelton {

struct DataOrderOptions {
  bool shuffles = true;  // each epoch in an order of its own; else as they lie in the files, wrapping
  uint64_t seed = 0;
  // Not empty, where it shuffles: examples of nearly the same length come one after the other, `batch_size` at a time,
  // and these batches in any order.
  std::vector<int64_t> lengths = {};
  int64_t batch_size = 1;
};

class DataOrder {
 public:
  // At least one example; as many lengths, or none.
  DataOrder(int64_t example_count, DataOrderOptions options);

  // The example at `position` of the endless stream of epochs.
  int64_t at(int64_t position);

 private:
  void make_epoch(int64_t epoch);

  int64_t example_count_;
  DataOrderOptions options_;
  int64_t epoch_ = -1;  // whose order this is
  std::vector<int64_t> order_;
};

// Groups of examples that fill `tokens_max` as well as they can, each example in one of them: the longest first, each
// to the group where it leaves the least room (best fit: Johnson et al. 1974). One that is longer stands alone. Groups
// are in the order of their first examples, which stand there in ascending order.
std::vector<std::vector<int64_t>> pack_examples(std::span<const int64_t> token_counts, int64_t tokens_max);

}  // namespace pelton
