// What a training step makes better.
//
// An objective sees how likely the model finds each token that is to be learnt, and says what the loss is and its
// gradient by these log-probabilities. That is all that likelihood, preferences and policy gradients need; logits stay
// with whoever runs the model (train/sequence_scores.h), which may make them some rows at a time. One that needs
// whole distributions (distillation) will add a second way in beside this one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pelton {

// Log-probabilities of the learnt tokens of one sequence, in order.
struct SequenceScores {
  std::span<const float> policy;     // under the model that is trained; of an objective with a head its one score
  std::span<const float> reference;  // under the model as it was; empty: the objective asked for none
  std::span<float> d_policy;         // the loss's gradient by each of the policy's: to assign
};

struct ScoredExample {
  std::vector<SequenceScores> sequences;  // as the example has them: one, or chosen and rejected
  // This example's prompt with the answer of the next one of its batch, which tells how far the model has moved in
  // general: no gradient goes there. Empty: not asked for.
  SequenceScores mismatched;
  std::optional<bool> is_desirable;  // of a labelled completion
};

// Of the whole step, of which a call sees a part at a time.
struct StepTotals {
  int64_t example_count = 0;
  int64_t learnt_count = 0;  // tokens
};

// Means over the examples of a step, by name: what a call adds are parts of them.
using ObjectiveMetrics = std::map<std::string, double>;

// The records that it learns from.
enum class ExampleShape : uint8_t { kOne, kPair, kLabelled };

class Objective {
 public:
  virtual ~Objective() = default;

  virtual ExampleShape shape() const { return ExampleShape::kOne; }
  virtual bool needs_reference() const { return false; }
  // Whether `mismatched` below is wanted.
  virtual bool needs_mismatched() const { return false; }
  // The gradient by every learnt token's log-probability, where it is known before these are: then logits are made
  // once, else twice.
  virtual std::optional<double> token_gradient(const StepTotals&) const { return std::nullopt; }
  // The part of the step's loss that is these examples'. Assigns their gradients.
  virtual double loss(std::span<const ScoredExample> examples, const StepTotals& totals,
                      ObjectiveMetrics& metrics) const = 0;
};

struct ObjectiveOptions {
  double beta = 0.1;
  double label_smoothing = 0;  // the share of preferences that are taken to be the wrong way round
  double margin = 0.5;         // SimPO's γ
  double desirable_weight = 1;
  double undesirable_weight = 1;
};

struct ObjectiveKind {
  std::string_view name;
  std::string_view summary;
  std::unique_ptr<Objective> (*make)(const ObjectiveOptions& options);
  // What it looks at is no log-probabilities but the score that a head of the model's (model/score_head.h) gives the
  // last token of each sequence. The head is trained with whatever else is.
  bool has_head = false;
};
// The list.
std::span<const ObjectiveKind> objective_kinds();
// Error kInvalidArgument: names those that there are.
const ObjectiveKind& find_objective(std::string_view name);

}  // namespace pelton
