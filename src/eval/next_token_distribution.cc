#include "eval/next_token_distribution.h"

#include "ops/logits_row.h"

namespace pelton {

std::optional<NextTokenDistribution> NextTokenDistribution::of(std::span<const float> logits) {
  const std::optional<LogitsPeak> peak = find_peak(logits);
  if (!peak) return std::nullopt;
  return NextTokenDistribution(logits, peak->index, pelton::log_sum_exp(logits, peak->value));
}

}  // namespace pelton
