// Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306): single answers, each labelled good or bad.
// How far the model has moved from the reference in general (the batch's mean over prompts with an answer that is not
// theirs, not below zero) is the point from which gains and losses count; no gradient goes through it.
#include "base/check.h"
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class Kto final : public Objective {
 public:
  explicit Kto(const ObjectiveOptions& options) : options_(options) {}

  ExampleShape shape() const override { return ExampleShape::kLabelled; }
  bool needs_reference() const override { return true; }
  bool needs_mismatched() const override { return true; }

  double loss(std::span<const ScoredExample> examples, const StepTotals& totals,
              ObjectiveMetrics& metrics) const override {
    double divergence = 0;
    for (const ScoredExample& example : examples) {
      divergence += (sum_of(example.mismatched.policy) - sum_of(example.mismatched.reference)) /
                    static_cast<double>(examples.size());
    }
    divergence = std::max(divergence, 0.0);

    const auto count = static_cast<double>(totals.example_count);
    double total = 0;
    for (const ScoredExample& example : examples) {
      const SequenceScores& answer = example.sequences[0];
      const bool is_good = *example.is_desirable;
      const double weight = is_good ? options_.desirable_weight : options_.undesirable_weight;
      const double sign = is_good ? 1 : -1;
      const double reward = sum_of(answer.policy) - sum_of(answer.reference);
      const double value = sigmoid(sign * options_.beta * (reward - divergence));
      total += weight * (1 - value) / count;
      const double gradient = -weight * sign * options_.beta * value * (1 - value) / count;
      std::fill(answer.d_policy.begin(), answer.d_policy.end(), static_cast<float>(gradient));
      metrics[is_good ? "reward_desirable" : "reward_undesirable"] += options_.beta * reward / count;
      metrics["divergence"] += divergence / count;
    }
    return total;
  }

 private:
  ObjectiveOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_kto(const ObjectiveOptions& options) { return std::make_unique<Kto>(options); }

}  // namespace pelton
