#include "eval/divergence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace pelton {
namespace {

// Σ weights (a - b). The lanes are spelt out because the compiler may not reorder a sum.
double weighted_difference(std::span<const float> weights, std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  const auto term = [&](size_t i) {
    return static_cast<double>(weights[i]) * (static_cast<double>(a[i]) - static_cast<double>(b[i]));
  };
  size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += term(i + lane);
  }
  for (; i < weights.size(); ++i) sums[0] += term(i);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// With logits a and b: Σ p (ln p - ln q) = Σ p (a - b) - lse(a) + lse(b).
double kl_divergence(const NextTokenDistribution& p, const NextTokenDistribution& q, Weights& weights) {
  weights.assign(p.logits(), p.peak(), 1.0f);
  const double mean_difference = weighted_difference(weights.values(), p.logits(), q.logits()) / weights.total();
  // Rounding may leave a little less than nothing.
  return std::max(0.0, mean_difference - p.log_sum_exp() + q.log_sum_exp());
}

}  // namespace

double quantile(std::span<double> values, double q) {
  CHECK(!values.empty() && q >= 0 && q <= 1);
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const auto position = values.begin() + static_cast<int64_t>(below);
  std::nth_element(values.begin(), position, values.end());
  if (below + 1 == values.size()) return *position;
  const double next = *std::min_element(position + 1, values.end());
  return *position + (rank - static_cast<double>(below)) * (next - *position);
}

void DivergenceAccumulator::add(const NextTokenDistribution& reference, const NextTokenDistribution& model) {
  CHECK(reference.logits().size() == model.logits().size());
  divergences_.push_back(kl_divergence(reference, model, weights_));
  agreement_count_ += reference.most_likely() == model.most_likely() ? 1 : 0;
}

Divergence DivergenceAccumulator::result() const {
  CHECK(!divergences_.empty());
  std::vector<double> values = divergences_;
  const auto count = static_cast<double>(values.size());
  return {.token_count = static_cast<int64_t>(values.size()),
          .mean = std::accumulate(values.begin(), values.end(), 0.0) / count,
          .median = quantile(values, 0.5),
          .p99 = quantile(values, 0.99),
          .max = quantile(values, 1),
          .top1_agreement = static_cast<double>(agreement_count_) / count};
}

}  // namespace pelton
