// Gopher's rules of quality: lengths, symbols, bullet points, stop words.
#include "data/steps/rule_step.h"

namespace pelton::data {
Step make_gopher_quality(StepOptions& options) {
  GopherQuality rules;
  rules.words_min = options.integer("words_min", rules.words_min, 0);
  rules.words_max = options.integer("words_max", rules.words_max, 0);
  rules.word_length_min = options.number("word_length_min", rules.word_length_min, 0, 1000);
  rules.word_length_max = options.number("word_length_max", rules.word_length_max, 0, 1000);
  rules.symbols_per_word_max = options.number("symbols_per_word_max", rules.symbols_per_word_max, 0, 1000);
  rules.bullet_lines_max = options.number("bullet_lines_max", rules.bullet_lines_max, 0, 1);
  rules.ellipsis_lines_max = options.number("ellipsis_lines_max", rules.ellipsis_lines_max, 0, 1);
  rules.letter_words_min = options.number("letter_words_min", rules.letter_words_min, 0, 1);
  rules.stop_words_min = options.integer("stop_words_min", rules.stop_words_min, 0, 8);
  return std::make_unique<const RuleStep<GopherQuality>>(rules);
}

}  // namespace pelton::data
