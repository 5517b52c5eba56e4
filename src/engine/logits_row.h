// Loops over one row of logits [V]: straight, branch-light, so that the compiler vectorises them. V is 49,000 to
// 256,000 and there is one row for each answer in each step, so a pass counts.
#pragma once

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

// Independent partial results: the compiler may not reorder float operations, so the lanes are spelt out.
inline constexpr size_t kLanes = 16;

inline bool has_any_at_least(const float* values, float threshold) {
  int32_t any = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) any |= values[lane] >= threshold ? 1 : 0;
  return any != 0;
}

}  // namespace logits_row_detail

// Calls visit(i) for values[i] >= threshold, ascending; skips groups of values without one. `visit` may raise the
// threshold.
template <typename Visit>
void for_each_at_least(std::span<const float> values, const float& threshold, const Visit& visit) {
  using logits_row_detail::kLanes;
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    if (!logits_row_detail::has_any_at_least(values.data() + i, threshold)) continue;
    for (size_t lane = i; lane < i + kLanes; ++lane) {
      if (values[lane] >= threshold) visit(lane);
    }
  }
  for (; i < values.size(); ++i) {
    if (values[i] >= threshold) visit(i);
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
