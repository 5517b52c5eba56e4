// Passes over one row of logits [V], by the calling thread. V is 49,000 to 256,000 and there is one row for each answer
// in each step, so a pass counts (kernels/logits).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pelton {

struct LogitsPeak {
  int32_t index;  // the lowest of those that share the maximum
  float value;
};
// std::nullopt: a logit is NaN or infinite. `logits` must not be empty.
std::optional<LogitsPeak> find_peak(std::span<const float> logits);

namespace logits_row_detail {

inline constexpr size_t kBlock = 1024;  // of kernels/logits

// The indices of those of at most kBlock values that are at least `threshold`, ascending; how many.
size_t find_at_least(std::span<const float> values, float threshold, int32_t* indices);

}  // namespace logits_row_detail

// Calls visit(i) for values[i] >= threshold, ascending; fast where these are few. `visit` may raise the threshold.
template <typename Visit>
void for_each_at_least(std::span<const float> values, const float& threshold, const Visit& visit) {
  using logits_row_detail::kBlock;
  int32_t indices[kBlock];
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const std::span<const float> block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    const size_t count = logits_row_detail::find_at_least(block, threshold, indices);
    for (size_t i = 0; i < count; ++i) {
      const size_t index = begin + static_cast<size_t>(indices[i]);
      if (values[index] >= threshold) visit(index);
    }
  }
}

// The value of rank `count` (1 <= count <= size) in descending order, and how many of the first `count` equal it.
// One pass; `buffer` is scratch.
struct RankedValue {
  float value;
  int64_t equal_count;
};
RankedValue value_of_rank(std::span<const float> values, int64_t count, std::vector<float>& buffer);

// The indices of the `count` largest, ascending; of equal ones the lowest indices.
void select_largest(std::span<const float> values, int64_t count, std::vector<float>& buffer,
                    std::vector<int32_t>& indices);

// Unnormalised probabilities, with the sums that make drawing one fast.
class Weights {
 public:
  // weight[i] = exp((logits[i] - peak) · inverse_temperature); `peak` is the maximum. Relative error below 1e-6;
  // exactly 1 at the peak, 0 where it would be below 1e-37.
  void assign(std::span<const float> logits, float peak, float inverse_temperature);

  std::span<const float> values() const { return values_; }
  double total() const { return total_; }
  // The index at which the running sum of weights passes uniform · total. `uniform` in [0, 1).
  int64_t draw(double uniform) const;

 private:
  std::vector<float> values_;
  std::vector<double> block_sums_;
  double total_ = 0;
};

// ln Σ exp(logits).
double log_sum_exp(std::span<const float> logits, float peak);

}  // namespace pelton
