// How much a question helps a language model to its answer: the answer's perplexity behind the question, divided by its
// perplexity alone (instruction-following difficulty, Li et al. 2024, arXiv 2308.12032). Near 0 the question says it
// all; above 1 it does not help at all, so that the two hardly belong together.
#include <fmt/format.h>

#include <cmath>

#include "data/step.h"
#include "data/text_scorer.h"

namespace pelton::data {
namespace {

class InstructionDifficultyStep final : public RecordStep {
 public:
  InstructionDifficultyStep(const TextScorer::Options& scorer, double min, double max, std::string field)
      : scorer_(scorer), min_(min), max_(max), field_(std::move(field)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const std::optional<double> difficulty = difficulty_of(record);
    if (!difficulty) return Verdict::keep();  // nothing is answered
    if (*difficulty < min_) return Verdict::drop("too_easy", fmt::format("{:.4g}, at least {}", *difficulty, min_));
    if (*difficulty > max_) return Verdict::drop("unrelated", fmt::format("{:.4g}, at most {}", *difficulty, max_));
    if (field_.empty()) return Verdict::keep();
    set_field(record, arena.copy(field_), *difficulty, arena);
    return Verdict::change("scored", fmt::format("{:.4g}", *difficulty));
  }

 private:
  // Of all answers together: exp of the difference of what a token costs on average.
  std::optional<double> difficulty_of(const Record& record) const {
    std::string before;
    double with_question = 0, alone = 0;
    int64_t count = 0;
    const auto add_turn = [&](const Message& message) {
      if (message.role == Role::kAssistant && !before.empty()) {
        const auto answered = scorer_.score(before, message.content);
        const auto said = scorer_.score("\n", message.content);
        if (answered && said) {
          with_question += answered->mean_nll * static_cast<double>(answered->token_count);
          alone += said->mean_nll * static_cast<double>(answered->token_count);
          count += answered->token_count;
        }
      }
      before += message.content;
      before += '\n';
    };
    for (const Message& message : record.messages) add_turn(message);
    for (const Message& message : record.chosen) add_turn(message);
    if (count == 0) return std::nullopt;
    return std::exp((with_question - alone) / static_cast<double>(count));
  }

  TextScorer scorer_;
  double min_, max_;
  std::string field_;
};

}  // namespace

Step make_instruction_difficulty(StepOptions& options) {
  const TextScorer::Options scorer = scorer_options(options);
  const double min = options.number("min", 0, 0, 1e30), max = options.number("max", 1, 0, 1e30);
  if (min > max) options.fail("min", "at most max");
  return std::make_unique<const InstructionDifficultyStep>(scorer, min, max, options.string("field", ""));
}

}  // namespace pelton::data
