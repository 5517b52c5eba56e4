#include "train/data_order.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace pelton {

DataOrder::DataOrder(int64_t example_count, bool shuffles, uint64_t seed)
    : example_count_(example_count), shuffles_(shuffles), seed_(seed) {
  CHECK(example_count >= 1);
}

int64_t DataOrder::at(int64_t position) {
  if (!shuffles_) return position % example_count_;
  if (const int64_t epoch = position / example_count_; epoch != epoch_) make_epoch(epoch);
  return order_[static_cast<size_t>(position % example_count_)];
}

void DataOrder::make_epoch(int64_t epoch) {
  epoch_ = epoch;
  order_.resize(static_cast<size_t>(example_count_));
  std::iota(order_.begin(), order_.end(), 0);
  Rng seeds(seed_);
  Rng rng(seeds.next() ^ static_cast<uint64_t>(epoch));
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.next_below(i)]);
}

}  // namespace pelton
