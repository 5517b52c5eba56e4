#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"

namespace pelton {
namespace {

void check_examples(std::span<const Example> examples, const Objective& objective, std::string_view name) {
  if (examples.empty()) throw Error(ErrorCode::kInvalidArgument, "the data have no record to learn from", "data");
  const ExampleShape shape = objective.shape();
  for (const Example& example : examples) {
    const bool is_pair = example.sequences.size() == 2;
    const bool fits = is_pair == (shape == ExampleShape::kPair) &&
                      example.is_desirable.has_value() == (shape == ExampleShape::kLabelled);
    if (fits) continue;
    constexpr const char* kWanted[] = {"chats, completions or texts", "\"chosen\" and \"rejected\"",
                                       "\"prompt\", \"completion\" and \"label\""};
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: the objective {} learns from {}", example.place, name, kWanted[static_cast<size_t>(shape)]),
        "objective");
  }
}

// Each example's prompt, with what the next one learns in place of its own.
std::vector<TrainingSequence> mismatch(std::span<const Example* const> examples) {
  std::vector<TrainingSequence> sequences;
  for (size_t i = 0; i < examples.size(); ++i) {
    const TrainingSequence& own = examples[i]->sequences.front();
    const TrainingSequence& other = examples[(i + 1) % examples.size()]->sequences.front();
    const auto answer_of = [](const TrainingSequence& sequence) {
      return std::find(sequence.is_learnt.begin(), sequence.is_learnt.end(), true) - sequence.is_learnt.begin();
    };
    TrainingSequence& mixed = sequences.emplace_back();
    mixed.tokens.assign(own.tokens.begin(), own.tokens.begin() + answer_of(own));
    mixed.is_learnt.assign(mixed.tokens.size(), false);
    mixed.tokens.insert(mixed.tokens.end(), other.tokens.begin() + answer_of(other), other.tokens.end());
    mixed.is_learnt.insert(mixed.is_learnt.end(), other.is_learnt.begin() + answer_of(other), other.is_learnt.end());
  }
  return sequences;
}

std::vector<const TrainingSequence*> pointers_to(const std::vector<TrainingSequence>& sequences) {
  std::vector<const TrainingSequence*> pointers;
  for (const TrainingSequence& sequence : sequences) pointers.push_back(&sequence);
  return pointers;
}

std::string places_of(std::span<const Example* const> examples) {
  std::string places;
  for (const Example* example : examples) places += (places.empty() ? "" : ", ") + example->place;
  return places;
}

std::vector<const Example*> flattened(const std::vector<std::vector<const Example*>>& batches) {
  std::vector<const Example*> all;
  for (const std::vector<const Example*>& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

void check_finite(double value, std::string_view what, int64_t step, std::span<const Example* const> examples) {
  if (std::isfinite(value)) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("step {}: the {} is {}, with the records {}; a lower learning_rate may help, or warmup_steps; "
                  "the last checkpoint is from before",
                  step, what, value, places_of(examples)));
}

}  // namespace

DifferentiableOptions differentiable_options(const TuneRecipe& recipe, std::set<std::string> trained) {
  return {.trained = std::move(trained),
          .uses_bf16 = recipe.precision == "bf16",
          .checkpointing = recipe.activation_checkpointing == "layer" ? ActivationCheckpointing::kLayer
                                                                      : ActivationCheckpointing::kNone};
}

Trainer::Trainer(Executor& executor, std::shared_ptr<const Model> base, const TuneRecipe& recipe,
                 std::vector<Example> examples)
    : executor_(executor),
      base_(training_base(std::move(base), recipe)),
      examples_(std::move(examples)),
      method_(find_training_method(recipe.method).make(base_, recipe)),
      objective_name_(recipe.objective),
      objective_(find_objective(recipe.objective)
                     .make({.beta = recipe.beta,
                            .label_smoothing = recipe.label_smoothing,
                            .margin = recipe.simpo_margin,
                            .desirable_weight = recipe.desirable_weight,
                            .undesirable_weight = recipe.undesirable_weight})),
      batches_(recipe, examples_),
      seed_(static_cast<uint64_t>(recipe.seed)),
      learning_rate_(recipe.learning_rate),
      max_gradient_norm_(recipe.max_grad_norm),
      batch_size_(recipe.batch_size) {
  check_examples(examples_, *objective_, recipe.objective);
  if (objective_->needs_mismatched() && recipe.packing) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("packing: {} compares the examples of a batch, so these cannot be packed", recipe.objective),
        "packing");
  }
  if (objective_->needs_mismatched() && batch_size_ < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("batch_size: {} compares the examples of a batch, and needs two or more", recipe.objective),
                "batch_size");
  }
  std::set<std::string> trained;
  for (TrainedParameter& one : method_->parameters()) {
    trained.insert(one.weights.begin(), one.weights.end());
    weights_.push_back(std::move(one.weights));
    parameters_.push_back(std::move(one.parameter));
  }
  optimiser_ = find_optimiser(recipe.optimiser)
                   .make(parameters_, {.beta1 = recipe.beta1,
                                       .beta2 = recipe.beta2,
                                       .epsilon = recipe.epsilon,
                                       .weight_decay = recipe.weight_decay,
                                       .momentum = recipe.momentum});
  DifferentiableOptions options = differentiable_options(recipe, std::move(trained));
  policy_ = std::make_unique<DifferentiableModel>(executor_, method_->model(), options);
  if (objective_->needs_reference()) {
    options.trained = std::set<std::string>();
    options.shares_with = method_->trains_base() ? nullptr : policy_.get();
    reference_ = std::make_unique<DifferentiableModel>(executor_, base_, options);
  }
}

StepReport Trainer::step() {
  const std::vector<std::vector<const Example*>> batches = batches_.of_step(steps_done_);
  StepReport report;
  report.step = steps_done_ + 1;
  report.learning_rate = learning_rate_ * batches_.rate_share(steps_done_);
  StepTotals totals;
  for (const std::vector<const Example*>& batch : batches) {
    totals.example_count += static_cast<int64_t>(batch.size());
    for (const Example* example : batch) {
      report.token_count += example->token_count();
      report.learnt_count += example->learnt_count();
    }
  }
  totals.learnt_count = report.learnt_count;

  policy_->clear_gradients();
  for (size_t i = 0; i < batches.size(); ++i) {
    const std::vector<const Example*>& batch = batches[i];
    report.loss += run_batch(batch, totals, report.metrics, Pass::kTrain, dropout_seed(i));
    check_finite(report.loss, "loss", report.step, batch);
  }
  std::vector<Tensor> gradients = collect_gradients();
  method_->finish_gradients(gradients);
  report.gradient_norm = gradient_norm(executor_, gradients);
  check_finite(report.gradient_norm, "gradient's norm", report.step, flattened(batches));
  if (max_gradient_norm_ > 0) {
    // As PyTorch's clip_grad_norm_.
    const double factor = max_gradient_norm_ / (report.gradient_norm + 1e-6);
    if (factor < 1) scale_gradients(executor_, gradients, factor);
  }
  optimiser_->step(executor_, parameters_, gradients, report.learning_rate, report.step);
  parameters_changed();
  ++steps_done_;
  return report;
}

void Trainer::check_kind(std::span<const Example> examples) const {
  check_examples(examples, *objective_, objective_name_);
}

Evaluation Trainer::evaluate(std::span<const Example> examples) {
  check_kind(examples);
  StepTotals totals;
  totals.example_count = static_cast<int64_t>(examples.size());
  for (const Example& example : examples) totals.learnt_count += example.learnt_count();
  Evaluation evaluation;
  for (const std::vector<const Example*>& batch : evaluation_batches(examples, batch_size_)) {
    evaluation.loss += run_batch(batch, totals, evaluation.metrics, Pass::kEvaluate);
    check_finite(evaluation.loss, "loss on eval_data", steps_done_, batch);
  }
  return evaluation;
}

std::vector<AnswerScore> Trainer::score_answers(std::span<const Example> examples) {
  std::vector<AnswerScore> scores;
  for (const std::vector<const Example*>& batch : evaluation_batches(examples, batch_size_)) {
    const SequenceBatch sequences(sequences_of(batch), ScoredRows::kLearnt);
    const std::vector<AnswerScore> of_batch = pelton::score_answers(executor_, *policy_, sequences);
    scores.insert(scores.end(), of_batch.begin(), of_batch.end());
  }
  return scores;
}

std::vector<int32_t> Trainer::continue_greedily(std::vector<int32_t> tokens, int64_t count_max,
                                                std::span<const int32_t> ends) {
  const int64_t vocabulary_size = base_->spec.vocabulary_size;
  const size_t given = tokens.size();
  while (static_cast<int64_t>(tokens.size() - given) < count_max) {
    TrainingBatch batch{.tokens = tokens, .offsets = {0, static_cast<int64_t>(tokens.size())}, .targets = {}};
    batch.targets.assign(tokens.size(), kIgnoredTarget);
    batch.targets.back() = 0;  // so that its logits are there
    policy_->forward_body(batch);
    int32_t likeliest = 0;
    policy_->read_logits([&](Range, const float* logits) {
      likeliest = static_cast<int32_t>(std::max_element(logits, logits + vocabulary_size) - logits);
    });
    if (std::find(ends.begin(), ends.end(), likeliest) != ends.end()) break;
    tokens.push_back(likeliest);
  }
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(given));
  return tokens;
}

double Trainer::run_batch(std::span<const Example* const> examples, const StepTotals& totals, ObjectiveMetrics& metrics,
                          Pass pass, std::optional<uint64_t> dropout_seed) {
  const ScoredRows scored_rows_of = scored_rows(*base_);
  const SequenceBatch batch(sequences_of(examples), scored_rows_of);
  // The mismatched pairs go first: the backward wants the last forward to be the batch's own.
  std::vector<float> mismatched, mismatched_reference;
  std::optional<SequenceBatch> mismatched_batch;
  if (objective_->needs_mismatched()) {
    const std::vector<TrainingSequence> pairs = mismatch(examples);
    mismatched_batch.emplace(pointers_to(pairs), scored_rows_of);
    mismatched = score_sequences(executor_, *policy_, *mismatched_batch);
    mismatched_reference = score_sequences(executor_, *reference_, *mismatched_batch);
  }
  std::vector<float> reference;
  if (reference_ != nullptr) reference = score_sequences(executor_, *reference_, batch);
  policy_->set_dropout_seed(dropout_seed);
  const std::optional<double> known =
      pass == Pass::kTrain ? objective_->token_gradient(totals) : std::optional<double>();
  const std::vector<float> scores = known ? score_and_backward(executor_, *policy_, batch, static_cast<float>(*known))
                                          : score_sequences(executor_, *policy_, batch);

  std::vector<float> d_scores(scores.size());
  std::vector<ScoredExample> scored;
  size_t sequence = 0;
  for (const Example* example : examples) {
    ScoredExample& one = scored.emplace_back();
    one.is_desirable = example->is_desirable;
    if (mismatched_batch) {
      const size_t index = scored.size() - 1;
      one.mismatched.policy = mismatched_batch->of_sequence(std::span<const float>(mismatched), index);
      one.mismatched.reference = mismatched_batch->of_sequence(std::span<const float>(mismatched_reference), index);
    }
    for (size_t i = 0; i < example->sequences.size(); ++i, ++sequence) {
      SequenceScores& of_sequence = one.sequences.emplace_back();
      of_sequence.policy = batch.of_sequence(std::span<const float>(scores), sequence);
      of_sequence.d_policy = batch.of_sequence(std::span<float>(d_scores), sequence);
      if (!reference.empty()) of_sequence.reference = batch.of_sequence(std::span<const float>(reference), sequence);
    }
  }
  const double loss = objective_->loss(scored, totals, metrics);
  if (!known && pass == Pass::kTrain) backward_scores(executor_, *policy_, batch, d_scores);
  policy_->set_dropout_seed(std::nullopt);
  return loss;
}

// The model's own memory: clipping scales it in place.
std::vector<Tensor> Trainer::collect_gradients() {
  std::map<std::string, Tensor>& gradients = policy_->gradients();
  std::vector<Tensor> collected;
  for (const std::vector<std::string>& weights : weights_) {
    Tensor sum = gradients.at(weights.front());
    for (size_t i = 1; i < weights.size(); ++i) {
      accumulate(executor_, gradients.at(weights[i]).floats(), sum.shape().element_count(), sum.mutable_floats());
    }
    collected.push_back(sum);
  }
  return collected;
}

std::vector<NamedTensor> Trainer::state() {
  std::vector<NamedTensor> state = optimiser_->state();
  for (NamedTensor& parameter : parameter_state()) state.push_back(std::move(parameter));
  return state;
}

std::vector<NamedTensor> Trainer::parameter_state() {
  std::vector<NamedTensor> state;
  for (const Parameter& parameter : parameters_) state.push_back({parameter.name, parameter.value});
  return state;
}

void Trainer::resume_at(int64_t steps_done) {
  steps_done_ = steps_done;
  parameters_changed();
}

void Trainer::parameters_changed() {
  method_->parameters_changed(executor_);
  if (method_->trains_base()) policy_->weights_changed();
}

// Of a batch of the step that comes: the same after a resume.
uint64_t Trainer::dropout_seed(size_t batch) const {
  Rng rng(seed_ + static_cast<uint64_t>(batches_.batches_before(steps_done_)) + batch);
  return rng.next();
}

}  // namespace pelton
