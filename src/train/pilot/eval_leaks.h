// Records to learn from that the eval has too: a model that has learnt them is asked what it knows by heart.
//
// Beside those of the same tokens, those that are nearly the same by their words (case, punctuation and white space do
// not count), or that hold half of the 13-grams of an eval's record (data/contamination.h). What counts are prompts,
// answers and calls of tools, not what the system is told, which many records share; nor n-grams that more than two
// records of the eval share. Files of tokens have no words: of their records the same tokens alone are found.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "data/contamination.h"
#include "train/example.h"
#include "train/record.h"

namespace pelton {

enum class Leak : uint8_t { kNone, kSame, kNearlySame };

class EvalLeaks {
 public:
  // A record of the eval. None: it lies in a file of tokens.
  void add(const Record* record, const Example& example);
  // How far the eval has this one.
  Leak find(const Record* record, const Example& example) const;

 private:
  std::set<std::string> fingerprints_;  // of the tokens
  std::unordered_set<uint64_t> words_;  // a hash of all words of a record
  data::ContaminationIndex index_{{.sharing_items_max = 2}};
};

}  // namespace pelton
