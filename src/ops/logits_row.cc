#include "ops/logits_row.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/logits/logits.h"

namespace pelton {
namespace {

using logits_row_detail::kBlock;
static_assert(kBlock == kLogitsBlock);

// Weights of at most kBlock logits; gives their sum.
double weigh_block(std::span<const float> logits, float peak, float inverse_temperature, float* weights) {
  return logits_kernels(active_isa())
      .weigh(logits.data(), peak, inverse_temperature, static_cast<int64_t>(logits.size()), weights);
}

template <typename Body>
void for_each_block(size_t size, const Body& body) {
  for (size_t begin = 0; begin < size; begin += kBlock) body(begin, std::min(kBlock, size - begin));
}

}  // namespace

size_t logits_row_detail::find_at_least(std::span<const float> values, float threshold, int32_t* indices) {
  DCHECK(values.size() <= kBlock);
  return static_cast<size_t>(
      logits_kernels(active_isa()).at_least(values.data(), threshold, static_cast<int64_t>(values.size()), indices));
}

std::optional<LogitsPeak> find_peak(std::span<const float> logits) {
  DCHECK(!logits.empty());
  float best = -std::numeric_limits<float>::infinity();
  size_t best_begin = 0;
  bool is_finite = true;
  for_each_block(logits.size(), [&](size_t begin, size_t count) {
    const LogitsRange block = logits_kernels(active_isa()).range(logits.data() + begin, static_cast<int64_t>(count));
    is_finite = is_finite && block.is_finite;
    if (block.maximum > best) {
      best = block.maximum;
      best_begin = begin;
    }
  });
  if (!is_finite) return std::nullopt;
  const auto position = std::find(logits.begin() + static_cast<int64_t>(best_begin), logits.end(), best);
  return LogitsPeak{static_cast<int32_t>(position - logits.begin()), best};
}

RankedValue value_of_rank(std::span<const float> values, int64_t count, std::vector<float>& buffer) {
  CHECK(count >= 1 && count <= static_cast<int64_t>(values.size()));
  const auto rank = static_cast<size_t>(count);
  const size_t capacity = std::max<size_t>(2 * rank, 64);
  const auto cut = [&buffer, rank] {
    const auto last = buffer.begin() + static_cast<int64_t>(rank) - 1;
    std::nth_element(buffer.begin(), last, buffer.end(), std::greater<>());
    buffer.resize(rank);
    return buffer.back();
  };
  buffer.clear();
  float threshold = -std::numeric_limits<float>::infinity();
  for_each_at_least(values, threshold, [&](size_t i) {
    buffer.push_back(values[i]);
    if (buffer.size() == capacity) threshold = cut();
  });
  const float value = cut();
  return {value, std::count(buffer.begin(), buffer.end(), value)};
}

void select_largest(std::span<const float> values, int64_t count, std::vector<float>& buffer,
                    std::vector<int32_t>& indices) {
  const RankedValue cut = value_of_rank(values, count, buffer);
  int64_t equal_left = cut.equal_count;
  indices.clear();
  for_each_at_least(values, cut.value, [&](size_t i) {
    if (values[i] == cut.value && equal_left-- <= 0) return;
    indices.push_back(static_cast<int32_t>(i));
  });
}

void Weights::assign(std::span<const float> logits, float peak, float inverse_temperature) {
  values_.resize(logits.size());
  block_sums_.clear();
  total_ = 0;
  for_each_block(logits.size(), [&](size_t begin, size_t count) {
    const double sum = weigh_block(logits.subspan(begin, count), peak, inverse_temperature, values_.data() + begin);
    block_sums_.push_back(sum);
    total_ += sum;
  });
}

int64_t Weights::draw(double uniform) const {
  double left = uniform * total_;
  size_t block = 0;
  while (block + 1 < block_sums_.size() && left >= block_sums_[block]) left -= block_sums_[block++];
  const size_t begin = block * kBlock;
  const size_t end = std::min(begin + kBlock, values_.size());
  // A block's sum and the running sum below round differently: whoever gets past the end takes the last that has
  // weight.
  size_t drawn = begin;
  for (size_t i = begin; i < end; ++i) {
    if (values_[i] == 0) continue;
    drawn = i;
    left -= values_[i];
    if (left < 0) break;
  }
  return static_cast<int64_t>(drawn);
}

double log_sum_exp(std::span<const float> logits, float peak) {
  std::array<float, kBlock> weights;
  double sum = 0;
  for_each_block(logits.size(), [&](size_t begin, size_t count) {
    sum += weigh_block(logits.subspan(begin, count), peak, 1.0f, weights.data());
  });
  return peak + std::log(sum);
}

}  // namespace pelton
