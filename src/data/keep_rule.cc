#include "data/keep_rule.h"

#include <bit>

namespace pelton::data {
namespace {

// The order of doubles as an order of integers: the sign bit of the positive is set, all bits of the negative flip.
uint64_t ordered_bits(double number) {
  const auto bits = std::bit_cast<uint64_t>(number);
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return (bits & kSign) == 0 ? bits | kSign : ~bits;
}

}  // namespace

KeepRule KeepRule::from_options(StepOptions& options) {
  KeepRule rule;
  rule.keep_ = static_cast<Keep>(options.choice("keep", {"first", "longest", "best"}));
  rule.score_ = options.string("score", "score");
  return rule;
}

uint64_t KeepRule::rank_of(const Record& record) const {
  if (keep_ == Keep::kFirst) return 0;
  if (keep_ == Keep::kLongest) {
    uint64_t bytes = 0;
    for_each_text(record, [&](std::string_view text) { bytes += text.size(); });
    return bytes;
  }
  const Field* field = find_field(record, score_);
  const double* score = field == nullptr ? nullptr : std::get_if<double>(&field->value);
  return score == nullptr ? 0 : ordered_bits(*score);  // a record without a score is the worst
}

}  // namespace pelton::data
