// FineWeb's rules: ends of lines, short lines, lines that come again, lists.
#include "data/steps/rule_step.h"

namespace pelton::data {
Step make_fineweb(StepOptions& options) {
  FineWeb rules;
  rules.terminal_lines_min = options.number("terminal_lines_min", rules.terminal_lines_min, 0, 1);
  rules.short_lines_max = options.number("short_lines_max", rules.short_lines_max, 0, 1);
  rules.short_line_characters = options.integer("short_line_characters", rules.short_line_characters, 0, 1000000);
  rules.duplicate_line_characters_max =
      options.number("duplicate_line_characters_max", rules.duplicate_line_characters_max, 0, 1);
  rules.lines_per_word_max = options.number("lines_per_word_max", rules.lines_per_word_max, 0, 1000);
  return std::make_unique<const RuleStep<FineWeb>>(rules);
}

}  // namespace pelton::data
