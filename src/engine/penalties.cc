#include "engine/penalties.h"

#include <algorithm>
#include <limits>

namespace pelton {

Penalties::Penalties(const SamplingParameters& sampling, std::span<const TokenId> prompt)
    : repetition_(sampling.repetition_penalty),
      frequency_(sampling.frequency_penalty),
      presence_(sampling.presence_penalty),
      is_active_(repetition_ != 1 || frequency_ != 0 || presence_ != 0) {
  if (repetition_ == 1) return;  // the other two look at the answer only
  for (const TokenId token : prompt) answer_counts_.emplace(token, 0);
}

void Penalties::record(TokenId token) {
  if (is_active_) ++answer_counts_[token];
}

void Penalties::apply(std::span<float> logits) const {
  constexpr double kMax = std::numeric_limits<float>::max();
  for (const auto& [token, count] : answer_counts_) {
    float& logit = logits[static_cast<size_t>(index_of(token))];
    double value = logit > 0 ? logit / repetition_ : logit * repetition_;
    value -= frequency_ * static_cast<double>(count);
    if (count > 0) value -= presence_;
    logit = static_cast<float>(std::clamp(value, -kMax, kMax));
  }
}

}  // namespace pelton
