// What a step does with a record that it has given a number: bounds, and a field that may note it.
#pragma once

#include <string>
#include <string_view>

#include "data/step.h"

namespace pelton::data {

struct ScoreRule {
  double min;
  double max;
  std::string field;            // empty: not noted
  std::string_view low_reason;  // of records that are dropped: static
  std::string_view high_reason;

  Verdict judge(Record& record, double score, Arena& arena) const;
};

// A step's `min`, `max` and `field`; the reasons stay as they are. Error kInvalidArgument: min over max.
ScoreRule score_rule(StepOptions& options, ScoreRule defaults);

}  // namespace pelton::data
