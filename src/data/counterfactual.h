// A text as it would be if it spoke of others: "she" for "he", "mother" for "father", whatever terms are paired. A data
// set that holds both teaches a model to answer both alike (counterfactual data augmentation: Lu et al. 2018, arXiv
// 1807.11714; gender swapping: Zhao et al. 2018, arXiv 1804.06876).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/phrase_matcher.h"

namespace pelton::data {

using TermPair = std::pair<std::string, std::string>;

struct Counterfactual {
  std::string text;
  size_t swapped = 0;   // terms
  std::string example;  // "he → she", the first of them
};

// Immutable; any thread.
class TermSwapper {
 public:
  // Each term of a pair becomes the other one. Where a term stands in several pairs the first of them holds for it.
  explicit TermSwapper(const std::vector<TermPair>& pairs);

  // nullopt: none of the terms is in the text. The case of the first letter, or of all, is kept.
  std::optional<Counterfactual> swap(std::string_view text) const;

 private:
  struct Terms {
    std::vector<std::string> originals, replacements;
  };
  static Terms terms_of(const std::vector<TermPair>& pairs);

  Terms terms_;
  PhraseMatcher matcher_;  // of terms_.originals
};

// English words for women and men. Which of "his" and "him" a "her" becomes, and which of "her" and "hers" a "his", is
// told by the word behind it: right for most sentences, not for all. Names stay as they are.
const std::vector<TermPair>& gender_terms();

}  // namespace pelton::data
