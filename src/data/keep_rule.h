// Which record of a group of duplicates stays.
#pragma once

#include <cstdint>
#include <string>

#include "data/record.h"
#include "data/step_options.h"

namespace pelton::data {

class KeepRule {
 public:
  // The options `keep` (first, longest, best) and `score`, the number field that `best` goes by.
  static KeepRule from_options(StepOptions& options);

  // Of duplicates, the one of the highest rank stays; of those, the first.
  uint64_t rank_of(const Record& record) const;

 private:
  enum class Keep { kFirst, kLongest, kBest };

  Keep keep_ = Keep::kFirst;
  std::string score_;
};

}  // namespace pelton::data
