// C4's rules: lines that are no sentences go; a text of too few sentences goes with them. Of a chat nothing is taken
// out: it is judged by what would be left.
#include "data/quality_filters.h"
#include "data/rule_verdict.h"

namespace pelton::data {
namespace {

class C4Step final : public RecordStep {
 public:
  explicit C4Step(const C4& rules) : rules_(rules) {}

  Verdict apply(Record& record, Arena& arena) const override {
    thread_local std::string kept;
    const std::optional<BrokenRule> broken = rules_.check(whole_text(record, arena), kept);
    if (broken || record.kind != RecordKind::kText || kept == record.text) return verdict_of(broken);
    const size_t bytes_before = record.text.size();
    record.text = arena.copy(kept);
    return Verdict::change("lines_removed", fmt::format("{} of {} bytes left", kept.size(), bytes_before));
  }

 private:
  C4 rules_;
};

}  // namespace

Step make_c4(StepOptions& options) {
  C4 rules;
  rules.sentences_min = options.integer("sentences_min", rules.sentences_min, 0);
  rules.words_per_line_min = options.integer("words_per_line_min", rules.words_per_line_min, 0);
  rules.word_length_max = options.integer("word_length_max", rules.word_length_max, 0);
  const auto flag = [&](std::string_view name, bool& value) { value = options.boolean(name, value); };
  flag("removes_citations", rules.removes_citations);
  flag("needs_terminal_punctuation", rules.needs_terminal_punctuation);
  flag("drops_lorem_ipsum", rules.drops_lorem_ipsum);
  flag("removes_javascript_lines", rules.removes_javascript_lines);
  flag("drops_curly_brackets", rules.drops_curly_brackets);
  flag("removes_policy_lines", rules.removes_policy_lines);
  return std::make_unique<const C4Step>(rules);
}

}  // namespace pelton::data
