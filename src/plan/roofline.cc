#include "plan/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace pelton {
namespace {

// Below this share the limit is not what holds the phase back.
constexpr double kFarFromLimit = 0.5;
// Nothing is faster than its limit: above this the limit is wrong, not the phase fast. Below it, drift explains it.
constexpr double kBeyondLimit = 1.1;
// Fewer bits than this hardly any format has.
constexpr double kSmallWeightBits = 4.6;
// Batches of more rows share nothing that they do not share already.
constexpr int64_t kManyRows = 16;

std::vector<std::string> bandwidth_advice(const PhaseFacts& facts) {
  std::vector<std::string> advice;
  if (facts.kv_outweighs_weights) advice.push_back("a smaller type for keys and values, a shorter context");
  if (facts.weight_bits > kSmallWeightBits) advice.push_back("a smaller weight type");
  if (facts.row_count < kManyRows && !facts.kv_outweighs_weights) advice.push_back("more rows a step");
  if (facts.is_decode && facts.row_count == 1) advice.push_back("speculation");
  return advice;
}

std::vector<std::string> compute_advice(const PhaseFacts& facts) {
  std::vector<std::string> advice;
  if (!facts.has_int8_activations) advice.push_back("int8 activations");
  if (!facts.is_decode) advice.push_back("reuse of prompt prefixes");
  if (advice.empty()) advice.push_back("a smaller model");
  return advice;
}

// "a, b or c"
std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " or " : ", ";
    text += items[i];
  }
  return text;
}

}  // namespace

std::string_view bound_name(Bound bound) { return bound == Bound::kBandwidth ? "bandwidth-bound" : "compute-bound"; }

Roofline roofline(const Work& work, const Limits& limits) {
  CHECK(limits.bytes_per_second > 0 && limits.operations_per_second > 0);
  const double reading = work.bytes / limits.bytes_per_second;
  const double computing = work.operations / limits.operations_per_second;
  return {reading >= computing ? Bound::kBandwidth : Bound::kCompute, std::max(reading, computing)};
}

std::string verdict(const PhaseFacts& facts) {
  std::vector<std::string> advice = facts.bound == Bound::kBandwidth ? bandwidth_advice(facts) : compute_advice(facts);
  const bool has_idle_cores = facts.thread_count < facts.core_count;
  if (has_idle_cores) advice.insert(advice.begin(), "more threads");
  const std::string place = fmt::format("{}, {:.0f} % of at most {:.0f} tok/s", bound_name(facts.bound),
                                        100 * facts.limit_share, facts.limit_tokens_per_second);
  if (facts.limit_share > kBeyondLimit) {
    return place + "; more than possible: the probes beside it were disturbed, measure again on a quiet machine";
  }
  if (facts.limit_share < kFarFromLimit && !has_idle_cores) {
    return place + "; far from it: `pelton bench kernels` shows where the time goes";
  }
  return advice.empty() ? place : fmt::format("{}; {} would help", place, joined(advice));
}

}  // namespace pelton
