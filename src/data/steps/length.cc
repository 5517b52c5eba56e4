// Keeps records of a length within bounds: of the whole, of an answer, and of an answer beside its question.
#include <fmt/format.h>

#include <algorithm>

#include "data/character_class.h"
#include "data/step.h"

namespace pelton::data {
namespace {

// A bound of 0 is not asked for.
struct LengthOptions {
  int64_t characters_min = 0;
  int64_t characters_max = 0;
  int64_t words_min = 0;
  int64_t words_max = 0;
  int64_t turns_min = 0;
  int64_t turns_max = 0;
  double answer_ratio_max = 0;  // of the words of an answer to those of the turn before it
};

int64_t count_words(std::string_view text) {
  int64_t words = 0;
  for_each_space_separated(text, [&](std::string_view) { ++words; });
  return words;
}

Verdict check(int64_t value, int64_t min, int64_t max, std::string_view too_few, std::string_view too_many,
              std::string_view unit) {
  if (min != 0 && value < min) return Verdict::drop(too_few, fmt::format("{} {}, at least {}", value, unit, min));
  if (max != 0 && value > max) return Verdict::drop(too_many, fmt::format("{} {}, at most {}", value, unit, max));
  return Verdict::keep();
}

class LengthStep final : public RecordStep {
 public:
  explicit LengthStep(const LengthOptions& options) : options_(options) {}

  Verdict apply(Record& record, Arena& /*arena*/) const override {
    int64_t characters = 0;
    int64_t words = 0;
    for_each_text(record, [&](std::string_view text) {
      characters += static_cast<int64_t>(count_characters(text));
      words += count_words(text);
    });
    const Verdict verdicts[] = {
        check(characters, options_.characters_min, options_.characters_max, "too_short", "too_long", "characters"),
        check(words, options_.words_min, options_.words_max, "too_few_words", "too_many_words", "words"),
        record.kind == RecordKind::kText ? Verdict::keep()
                                         : check(static_cast<int64_t>(record.messages.size()), options_.turns_min,
                                                 options_.turns_max, "too_few_turns", "too_many_turns", "turns"),
        check_answers(record),
    };
    for (const Verdict& verdict : verdicts) {
      if (verdict.action == Verdict::Action::kDrop) return verdict;
    }
    return Verdict::keep();
  }

 private:
  Verdict check_answers(const Record& record) const {
    if (options_.answer_ratio_max == 0) return Verdict::keep();
    for (size_t i = 1; i < record.messages.size(); ++i) {
      const Message& answer = record.messages[i];
      if (answer.role != Role::kAssistant || record.messages[i - 1].role != Role::kUser) continue;
      const double words = static_cast<double>(count_words(answer.content));
      const double asked = static_cast<double>(std::max<int64_t>(1, count_words(record.messages[i - 1].content)));
      if (words / asked > options_.answer_ratio_max) {
        return Verdict::drop("too_verbose", fmt::format("{} words answer {}", words, asked));
      }
    }
    return Verdict::keep();
  }

  LengthOptions options_;
};

}  // namespace

Step make_length(StepOptions& options) {
  LengthOptions length;
  const auto bound = [&](std::string_view name, int64_t& value) { value = options.integer(name, 0, 0); };
  bound("characters_min", length.characters_min);
  bound("characters_max", length.characters_max);
  bound("words_min", length.words_min);
  bound("words_max", length.words_max);
  bound("turns_min", length.turns_min);
  bound("turns_max", length.turns_max);
  length.answer_ratio_max = options.number("answer_ratio_max", 0, 0, 1e6);
  return std::make_unique<const LengthStep>(length);
}

}  // namespace pelton::data
