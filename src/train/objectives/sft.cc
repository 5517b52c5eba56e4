// Mean negative log-likelihood of the learnt tokens of a step: each token counts alike, whatever its sequence's length.
#include <algorithm>

#include "train/objective.h"

namespace pelton {
namespace {

class Sft final : public Objective {
 public:
  std::optional<double> token_gradient(const StepTotals& totals) const override {
    return -1.0 / static_cast<double>(totals.learnt_count);
  }

  double loss(std::span<const ScoredExample> examples, const StepTotals& totals, ObjectiveMetrics&) const override {
    double sum = 0;
    for (const ScoredExample& example : examples) {
      for (const SequenceScores& sequence : example.sequences) {
        for (const float score : sequence.policy) sum -= static_cast<double>(score);
        std::fill(sequence.d_policy.begin(), sequence.d_policy.end(), static_cast<float>(*token_gradient(totals)));
      }
    }
    return sum / static_cast<double>(totals.learnt_count);
  }
};

}  // namespace

std::unique_ptr<Objective> make_sft(const ObjectiveOptions&) { return std::make_unique<Sft>(); }

}  // namespace pelton
