// The steps of a training run: which examples, their loss, the gradient, new weights. Knows of no files and no time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/differentiable.h"
#include "model/model.h"
#include "train/example.h"
#include "train/method.h"
#include "train/objective.h"
#include "train/optimiser.h"
#include "train/recipe.h"
#include "train/sequence_scores.h"
#include "train/step_batches.h"

namespace pelton {

struct StepReport {
  int64_t step = 0;  // from 1
  double loss = 0;
  double learning_rate = 0;
  int64_t token_count = 0;   // of the examples, whole
  int64_t learnt_count = 0;  // of them, those that were learnt
  double gradient_norm = 0;  // before clipping
  ObjectiveMetrics metrics;
};

// The objective on examples that are not learnt.
struct Evaluation {
  double loss = 0;
  ObjectiveMetrics metrics;
};

// How a recipe has a model run for training.
DifferentiableOptions differentiable_options(const TuneRecipe& recipe, std::set<std::string> trained);

// One thread at a time. Results do not depend on the thread count.
class Trainer {
 public:
  // The examples are kept. Errors: those of the method; kInvalidArgument: there are no examples, or
  // one is not of the kind that the objective learns from (named).
  Trainer(Executor& executor, std::shared_ptr<const Model> base, const TuneRecipe& recipe,
          std::vector<Example> examples);

  int64_t step_count() const { return batches_.step_count(); }
  int64_t steps_done() const { return steps_done_; }
  // train/step_batches.h
  std::vector<std::vector<const Example*>> batches_of_step(int64_t steps_done) { return batches_.of_step(steps_done); }

  // Error kInvalidArgument: the loss or the gradient is not finite (names the examples); nothing has changed then.
  StepReport step();

  // Errors: kInvalidArgument: an example is not of the kind that the objective learns from (check_kind() says so
  // before); the loss is not finite.
  Evaluation evaluate(std::span<const Example> examples);
  void check_kind(std::span<const Example> examples) const;

  // The answers of examples that are not learnt: one a sequence, in order. Where the objective is sft, evaluate() is
  // the mean of all their tokens.
  std::vector<AnswerScore> score_answers(std::span<const Example> examples);

  // The likeliest tokens that follow `tokens`, one by one: so many, or up to one of `ends`, which is left out. Computes
  // all of the sequence for each of them.
  std::vector<int32_t> continue_greedily(std::vector<int32_t> tokens, int64_t count_max, std::span<const int32_t> ends);

  // As trained so far.
  const TrainingMethod& method() const { return *method_; }
  // All that steps change, as memory to be written to a checkpoint, or filled from one before resume_at().
  std::vector<NamedTensor> state();
  // Of it the parameters alone.
  std::vector<NamedTensor> parameter_state();
  void resume_at(int64_t steps_done);

 private:
  enum class Pass : uint8_t { kTrain, kEvaluate };
  // dropout_seed: of the pass whose gradient is wanted; none: nothing is dropped.
  double run_batch(std::span<const Example* const> examples, const StepTotals& totals, ObjectiveMetrics& metrics,
                   Pass pass, std::optional<uint64_t> dropout_seed = {});
  std::vector<Tensor> collect_gradients();
  void parameters_changed();
  uint64_t dropout_seed(size_t batch) const;

  Executor& executor_;
  std::shared_ptr<const Model> base_;
  std::vector<Example> examples_;
  std::unique_ptr<TrainingMethod> method_;
  std::vector<std::vector<std::string>> weights_;  // of each parameter, those whose gradients it takes
  std::vector<Parameter> parameters_;
  std::string objective_name_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<DifferentiableModel> policy_;
  std::unique_ptr<DifferentiableModel> reference_;  // null: the objective needs none
  StepBatches batches_;
  uint64_t seed_;
  double learning_rate_;
  double max_gradient_norm_;
  int64_t batch_size_;
  int64_t steps_done_ = 0;
};

}  // namespace pelton
