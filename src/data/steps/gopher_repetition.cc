// Gopher's rules of repetition: lines, paragraphs and n-grams that come again and again.
#include "data/quality_filters.h"
#include "data/rule_verdict.h"
#include "data/word_splitter.h"

namespace pelton::data {
namespace {

class GopherRepetitionStep final : public RecordStep {
 public:
  explicit GopherRepetitionStep(const GopherRepetition& rules) : rules_(rules) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const std::string_view text = whole_text(record, arena);
    return verdict_of(rules_.check(text, words_of(text)));
  }

 private:
  GopherRepetition rules_;
};

}  // namespace

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
  return std::make_unique<const GopherRepetitionStep>(rules);
}

}  // namespace pelton::data
