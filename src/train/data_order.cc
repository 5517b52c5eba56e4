#include "train/data_order.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace pelton {
namespace {

// So many batches' examples are sorted at once: enough to find others as long, few enough to stay mixed.
constexpr int64_t kSortedBatches = 50;

void shuffle(std::span<int64_t> items, Rng& rng) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.next_below(i)]);
}

}  // namespace

DataOrder::DataOrder(int64_t example_count, DataOrderOptions options)
    : example_count_(example_count), options_(std::move(options)) {
  CHECK(example_count >= 1 && options_.batch_size >= 1);
  CHECK(options_.lengths.empty() || static_cast<int64_t>(options_.lengths.size()) == example_count);
}

int64_t DataOrder::at(int64_t position) {
  if (!options_.shuffles) return position % example_count_;
  if (const int64_t epoch = position / example_count_; epoch != epoch_) make_epoch(epoch);
  return order_[static_cast<size_t>(position % example_count_)];
}

void DataOrder::make_epoch(int64_t epoch) {
  epoch_ = epoch;
  order_.resize(static_cast<size_t>(example_count_));
  std::iota(order_.begin(), order_.end(), 0);
  Rng seeds(options_.seed);
  Rng rng(seeds.next() ^ static_cast<uint64_t>(epoch));
  shuffle(order_, rng);
  if (options_.lengths.empty()) return;

  // The batch that the epoch before began is filled first; from there on batches lie side by side.
  const int64_t batch = options_.batch_size;
  const int64_t begun = (epoch % batch) * (example_count_ % batch) % batch;
  const int64_t first = std::min((batch - begun) % batch, example_count_);
  const std::span<int64_t> rest = std::span(order_).subspan(static_cast<size_t>(first));
  const auto window = static_cast<size_t>(kSortedBatches * batch);
  for (size_t begin = 0; begin < rest.size(); begin += window) {
    const std::span<int64_t> part = rest.subspan(begin, std::min(window, rest.size() - begin));
    std::stable_sort(part.begin(), part.end(), [&](int64_t a, int64_t b) {
      return options_.lengths[static_cast<size_t>(a)] > options_.lengths[static_cast<size_t>(b)];
    });
  }
  // Whole batches change places; what is left over stays at the end, where the next epoch completes it.
  std::vector<int64_t> batches(rest.size() / static_cast<size_t>(batch));
  std::iota(batches.begin(), batches.end(), 0);
  shuffle(batches, rng);
  const std::vector<int64_t> sorted(rest.begin(), rest.end());
  for (size_t i = 0; i < batches.size(); ++i) {
    std::copy_n(sorted.begin() + batches[i] * batch, batch, rest.begin() + static_cast<int64_t>(i) * batch);
  }
}

std::vector<std::vector<int64_t>> pack_examples(std::span<const int64_t> token_counts, int64_t tokens_max) {
  std::vector<int64_t> by_length(token_counts.size());
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(), [&](int64_t a, int64_t b) {
    return token_counts[static_cast<size_t>(a)] > token_counts[static_cast<size_t>(b)];
  });
  std::vector<std::vector<int64_t>> groups;
  std::multimap<int64_t, size_t> room;  // tokens that still fit into a group
  for (const int64_t example : by_length) {
    const int64_t length = token_counts[static_cast<size_t>(example)];
    const auto found = room.lower_bound(length);
    size_t group = groups.size();
    int64_t left = tokens_max;
    if (found == room.end()) {
      groups.emplace_back();
    } else {
      left = found->first;
      group = found->second;
      room.erase(found);
    }
    groups[group].push_back(example);
    if (left > length) room.emplace(left - length, group);
  }
  for (std::vector<int64_t>& group : groups) std::sort(group.begin(), group.end());
  std::sort(groups.begin(), groups.end());
  return groups;
}

}  // namespace pelton
