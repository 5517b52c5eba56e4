#include "engine/logits_row.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "base/check.h"

namespace pelton {
namespace {

using logits_row_detail::kLanes;
// Small enough for the first-level cache, large enough that the work between blocks does not count.
constexpr size_t kBlock = 1024;

// Negative where the value is NaN or infinite (its exponent is all ones).
int32_t finite_sign(float value) {
  return 0x7F7FFFFF - static_cast<int32_t>(std::bit_cast<uint32_t>(value) & 0x7FFFFFFF);
}

// e^x for x <= 0, in a form that vectorises: 2^n · e^r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7
// (remainder below 0.35^8 / 8! = 6e-9). The reduction subtracts n ln 2 in two parts (Cody, Waite 1980).
float exp_of_negative(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves the nearest integer in the low mantissa bits
  constexpr float kLowest = -86.0f;      // below, 2^n would leave the normal numbers
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  const float high = ((1.0f / 5040 * r + 1.0f / 720) * r + 1.0f / 120) * r + 1.0f / 24;
  const float sum = (((high * r + 1.0f / 6) * r + 0.5f) * r + 1.0f) * r + 1.0f;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) << 23;
  // Nonsense below kLowest, masked away: a choice instead would end the vectorisation.
  const uint32_t mask = 0u - static_cast<uint32_t>(x >= kLowest);
  return std::bit_cast<float>((std::bit_cast<uint32_t>(sum) + exponent) & mask);
}

// Weights of at most kBlock logits; gives their sum. Two loops, because the compiler vectorises each, but not both in
// one.
double exp_block(std::span<const float> logits, float peak, float inverse_temperature, float* __restrict weights) {
  const size_t count = logits.size();
  const float* values = logits.data();
  for (size_t i = 0; i < count; ++i) weights[i] = exp_of_negative((values[i] - peak) * inverse_temperature);
  std::array<float, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += weights[i + lane];
  }
  double sum = 0;
  for (; i < count; ++i) sum += weights[i];
  for (const float lane_sum : sums) sum += lane_sum;
  return sum;
}

template <typename Body>
void for_each_block(size_t size, const Body& body) {
  for (size_t begin = 0; begin < size; begin += kBlock) body(begin, std::min(kBlock, size - begin));
}

}  // namespace

std::optional<LogitsPeak> find_peak(std::span<const float> logits) {
  DCHECK(!logits.empty());
  int32_t finite = 0;  // its sign bit collects that of every value
  float best = -std::numeric_limits<float>::infinity();
  size_t best_begin = 0;
  for_each_block(logits.size(), [&](size_t begin, size_t count) {
    const float* block = logits.data() + begin;
    for (size_t i = 0; i < count; ++i) finite |= finite_sign(block[i]);
    std::array<float, kLanes> lanes;
    lanes.fill(-std::numeric_limits<float>::infinity());
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] = block[i + lane] > lanes[lane] ? block[i + lane] : lanes[lane];
      }
    }
    float block_best = *std::max_element(lanes.begin(), lanes.end());
    for (; i < count; ++i) block_best = std::max(block_best, block[i]);
    if (block_best > best) {
      best = block_best;
      best_begin = begin;
    }
  });
  if (finite < 0) return std::nullopt;
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
    const double sum = exp_block(logits.subspan(begin, count), peak, inverse_temperature, values_.data() + begin);
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
    sum += exp_block(logits.subspan(begin, count), peak, 1.0f, weights.data());
  });
  return peak + std::log(sum);
}

}  // namespace pelton
