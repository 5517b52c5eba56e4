#include "eval/perplexity.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "base/check.h"

namespace pelton {

void PerplexityAccumulator::add(double nll) {
  ++token_count_;
  const double deviation = nll - mean_;
  mean_ += deviation / static_cast<double>(token_count_);
  squared_deviations_ += deviation * (nll - mean_);
}

Perplexity PerplexityAccumulator::result() const {
  CHECK(token_count_ >= 2);
  const auto count = static_cast<double>(token_count_);
  const double value = std::exp(mean_);
  return {.token_count = token_count_,
          .mean_nll = mean_,
          .value = value,
          .standard_error = value * std::sqrt(squared_deviations_ / (count - 1) / count)};
}

double bits_per_byte(const Perplexity& perplexity, int64_t byte_count) {
  if (byte_count == 0) return std::numeric_limits<double>::quiet_NaN();
  const double nats = perplexity.mean_nll * static_cast<double>(perplexity.token_count);
  return nats / std::numbers::ln2 / static_cast<double>(byte_count);
}

}  // namespace pelton
