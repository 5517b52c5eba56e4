// Gopher's rules of repetition: lines, paragraphs and n-grams that come again and again.
#include "data/steps/rule_step.h"

namespace pelton::data {
Step make_gopher_repetition(StepOptions& options) {
  GopherRepetition rules;
  const auto share = [&](std::string_view name, double& bound) { bound = options.number(name, bound, 0, 1); };
  share("duplicate_lines_max", rules.duplicate_lines_max);
  share("duplicate_paragraphs_max", rules.duplicate_paragraphs_max);
  share("duplicate_line_characters_max", rules.duplicate_line_characters_max);
  share("duplicate_paragraph_characters_max", rules.duplicate_paragraph_characters_max);
  for (int i = 0; i < 3; ++i) {
    share(fmt::format("top_{}_gram_max", GopherRepetition::kTopFirst + i), rules.top_ngram_max[i]);
  }
  for (int i = 0; i < 6; ++i) {
    share(fmt::format("duplicate_{}_grams_max", GopherRepetition::kDuplicateFirst + i), rules.duplicate_ngrams_max[i]);
  }
  return std::make_unique<const RuleStep<GopherRepetition>>(rules);
}

}  // namespace pelton::data
