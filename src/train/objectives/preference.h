// What the objectives of preferences share: each turns one number of a pair into a loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "train/objective.h"

namespace pelton {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// log sigmoid(x), without overflow.
inline double log_sigmoid(double x) { return x >= 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x)); }

inline double sum_of(std::span<const float> scores) {
  return std::accumulate(scores.begin(), scores.end(), 0.0,
                         [](double sum, float score) { return sum + static_cast<double>(score); });
}
inline double mean_of(std::span<const float> scores) { return sum_of(scores) / static_cast<double>(scores.size()); }

struct LossOfMargin {
  double loss;
  double slope;  // derivative of the loss by the margin
};

// Objectives whose loss is a function of one margin: how much more likely chosen is than rejected, by sums or means of
// log-probabilities, above how much more likely it was for the reference where they have one.
class MarginObjective : public Objective {
 public:
  enum class Scores : uint8_t { kSums, kMeans };

  MarginObjective(Scores scores, double beta) : scores_(scores), beta_(beta) {}

  ExampleShape shape() const final { return ExampleShape::kPair; }

  double loss(std::span<const ScoredExample> examples, const StepTotals& totals,
              ObjectiveMetrics& metrics) const final {
    const auto count = static_cast<double>(totals.example_count);
    double total = 0;
    for (const ScoredExample& pair : examples) {
      const SequenceScores& chosen = pair.sequences[0];
      const SequenceScores& rejected = pair.sequences[1];
      const double margin = advantage(chosen) - advantage(rejected);
      const LossOfMargin result = loss_of(margin);
      total += result.loss / count;
      fill(chosen, result.slope / count);
      fill(rejected, -result.slope / count);
      metrics["margin"] += beta_ * margin / count;  // of the rewards that the objective implies
      metrics["accuracy"] += (margin > 0 ? 1.0 : 0.0) / count;
    }
    return total;
  }

 protected:
  virtual LossOfMargin loss_of(double margin) const = 0;

 private:
  double score(std::span<const float> scores) const {
    return scores_ == Scores::kSums ? sum_of(scores) : mean_of(scores);
  }
  double advantage(const SequenceScores& sequence) const {
    return score(sequence.policy) - (needs_reference() ? score(sequence.reference) : 0);
  }
  void fill(const SequenceScores& sequence, double gradient) const {
    if (scores_ == Scores::kMeans) gradient /= static_cast<double>(sequence.policy.size());
    std::fill(sequence.d_policy.begin(), sequence.d_policy.end(), static_cast<float>(gradient));
  }

  Scores scores_;
  double beta_;
};

}  // namespace pelton
