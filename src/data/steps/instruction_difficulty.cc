// How much a question helps a language model to its answer: the answer's perplexity behind the question, divided by its
// perplexity alone (instruction-following difficulty, Li et al. 2024, arXiv 2308.12032). Near 0 the question says it
// all; above 1 it does not help at all, so that the two hardly belong together.
#include <cmath>
#include <utility>

#include "data/score_rule.h"
#include "data/step.h"
#include "data/text_scorer.h"

namespace pelton::data {
namespace {

class InstructionDifficultyStep final : public RecordStep {
 public:
  InstructionDifficultyStep(const TextScorer::Options& scorer, ScoreRule rule)
      : scorer_(scorer), rule_(std::move(rule)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const std::optional<double> difficulty = difficulty_of(record);
    if (!difficulty) return Verdict::keep();  // nothing is answered
    return rule_.judge(record, *difficulty, arena);
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
  ScoreRule rule_;
};

}  // namespace

Step make_instruction_difficulty(StepOptions& options) {
  const TextScorer::Options scorer = scorer_options(options);
  ScoreRule rule =
      score_rule(options, {.min = 0, .max = 1, .field = "", .low_reason = "too_easy", .high_reason = "unrelated"});
  return std::make_unique<const InstructionDifficultyStep>(scorer, std::move(rule));
}

}  // namespace pelton::data
