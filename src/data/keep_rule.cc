#include "data/keep_rule.h"

#include "data/ordered_bits.h"

namespace pelton::data {

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
