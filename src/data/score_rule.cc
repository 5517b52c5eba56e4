#include "data/score_rule.h"

#include <fmt/format.h>

#include <utility>

namespace pelton::data {
namespace {

constexpr double kLargest = 1e30;

}  // namespace

Verdict ScoreRule::judge(Record& record, double score, Arena& arena) const {
  if (score < min) return Verdict::drop(low_reason, fmt::format("{:.4g}, at least {}", score, min));
  if (score > max) return Verdict::drop(high_reason, fmt::format("{:.4g}, at most {}", score, max));
  if (field.empty()) return Verdict::keep();
  set_field(record, arena.copy(field), score, arena);
  return Verdict::change("scored", fmt::format("{:.4g}", score));
}

ScoreRule score_rule(StepOptions& options, ScoreRule defaults) {
  ScoreRule rule = std::move(defaults);
  rule.min = options.number("min", rule.min, 0, kLargest);
  rule.max = options.number("max", rule.max, 0, kLargest);
  if (rule.min > rule.max) options.fail("min", "at most max");
  rule.field = options.string("field", rule.field);
  return rule;
}

}  // namespace pelton::data
