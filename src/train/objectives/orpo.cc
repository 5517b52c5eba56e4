// Odds ratio preference optimisation (Hong et al. 2024, arXiv 2403.07691): the likelihood of what was chosen, and β
// times the logistic loss of how its odds compare with those of what was rejected. Probabilities are the tokens'
// geometric means, the likelihood is a mean over each answer, and then over the answers.
#include "base/check.h"
#include "train/objectives/preference.h"

namespace pelton {
namespace {

// log p - log(1 - p) of the mean log-probability, and its derivative by that, 1 / (1 - p).
struct LogOdds {
  double value;
  double slope;
};
LogOdds log_odds(double mean) {
  // Of a certain answer the odds have no bound.
  const double log_p = std::min(mean, -1e-7);
  const double rest = -std::expm1(log_p);
  return {log_p - std::log(rest), 1 / rest};
}

class Orpo final : public Objective {
 public:
  explicit Orpo(const ObjectiveOptions& options) : beta_(options.beta) {}
  ExampleShape shape() const override { return ExampleShape::kPair; }

  double loss(std::span<const ScoredExample> examples, const StepTotals& totals,
              ObjectiveMetrics& metrics) const override {
    const auto count = static_cast<double>(totals.example_count);
    double total = 0;
    for (const ScoredExample& pair : examples) {
      const SequenceScores& chosen = pair.sequences[0];
      const SequenceScores& rejected = pair.sequences[1];
      const LogOdds of_chosen = log_odds(mean_of(chosen.policy));
      const LogOdds of_rejected = log_odds(mean_of(rejected.policy));
      const double ratio = of_chosen.value - of_rejected.value;
      const double slope = -beta_ * sigmoid(-ratio);
      const double likelihood = mean_of(chosen.policy);
      total += (-likelihood - beta_ * log_sigmoid(ratio)) / count;
      fill(chosen, (-1 + slope * of_chosen.slope) / count);
      fill(rejected, -slope * of_rejected.slope / count);
      metrics["margin"] += ratio / count;
      metrics["accuracy"] += (ratio > 0 ? 1.0 : 0.0) / count;
      metrics["likelihood_loss"] -= likelihood / count;
    }
    return total;
  }

 private:
  static void fill(const SequenceScores& sequence, double by_mean) {
    std::fill(sequence.d_policy.begin(), sequence.d_policy.end(),
              static_cast<float>(by_mean / static_cast<double>(sequence.policy.size())));
  }

  double beta_;
};

}  // namespace

std::unique_ptr<Objective> make_orpo(const ObjectiveOptions& options) { return std::make_unique<Orpo>(options); }

}  // namespace pelton
