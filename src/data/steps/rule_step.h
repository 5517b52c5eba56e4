// A step that drops a record whose words break a rule.
#pragma once

#include "data/quality_filters.h"
#include "data/rule_verdict.h"
#include "data/word_splitter.h"

namespace pelton::data {

// Rules::check(text, words) names the rule that is broken, if any.
template <class Rules>
class RuleStep final : public RecordStep {
 public:
  explicit RuleStep(const Rules& rules) : rules_(rules) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const std::string_view text = whole_text(record, arena);
    return verdict_of(rules_.check(text, words_of(text)));
  }

 private:
  Rules rules_;
};

}  // namespace pelton::data
