// A row of logits read as a distribution over the next token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace pelton {

// A view: valid as long as the logits are.
class NextTokenDistribution {
 public:
  // `logits` [V], not empty. std::nullopt: one of them is NaN or infinite.
  static std::optional<NextTokenDistribution> of(std::span<const float> logits);

  std::span<const float> logits() const { return logits_; }
  int32_t most_likely() const { return most_likely_; }  // the lowest of those that share the maximum
  float peak() const { return logits_[static_cast<size_t>(most_likely_)]; }
  double log_sum_exp() const { return log_sum_exp_; }
  // -ln p(token), in nats.
  double nll(int32_t token) const { return log_sum_exp_ - static_cast<double>(logits_[static_cast<size_t>(token)]); }

 private:
  NextTokenDistribution(std::span<const float> logits, int32_t most_likely, double log_sum_exp)
      : logits_(logits), most_likely_(most_likely), log_sum_exp_(log_sum_exp) {}

  std::span<const float> logits_;
  int32_t most_likely_;
  double log_sum_exp_;
};

}  // namespace pelton
