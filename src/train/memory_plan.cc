#include "train/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "train/method.h"
#include "train/objective.h"
#include "train/optimiser.h"
#include "train/sequence_scores.h"
#include "train/step_batches.h"
#include "train/trainer.h"

namespace pelton {
namespace {

// Steps that are gone through: the first ones in their order, and then the largest, each behind the one before it,
// whose buffers are still there.
constexpr int64_t kFirstSteps = 64;
constexpr int64_t kLargestSteps = 16;
constexpr int64_t kStepsLookedAt = 100'000;
constexpr double kHuyensShare = 1.2;

std::string in_millions(int64_t count) { return fmt::format("{:.1f} million", static_cast<double>(count) / 1e6); }

std::vector<int64_t> steps_to_go_through(StepBatches& batches) {
  std::vector<int64_t> steps(static_cast<size_t>(std::min(batches.step_count(), kFirstSteps)));
  std::iota(steps.begin(), steps.end(), int64_t{0});
  const int64_t looked_at = std::min(batches.step_count(), kStepsLookedAt);
  if (looked_at <= kFirstSteps) return steps;
  std::vector<std::pair<int64_t, int64_t>> by_size;  // tokens of the largest batch, step
  for (int64_t step = 0; step < looked_at; ++step) {
    int64_t largest = 0;
    for (const std::vector<const Example*>& batch : batches.of_step(step)) {
      largest =
          std::max(largest, std::accumulate(batch.begin(), batch.end(), int64_t{0},
                                            [](int64_t sum, const Example* one) { return sum + one->token_count(); }));
    }
    by_size.emplace_back(largest, step);
  }
  std::partial_sort(by_size.begin(), by_size.begin() + kLargestSteps, by_size.end(), std::greater<>());
  for (int64_t i = 0; i < kLargestSteps; ++i) {
    const int64_t step = by_size[static_cast<size_t>(i)].second;
    if (step > 0) steps.push_back(step - 1);
    steps.push_back(step);
  }
  return steps;
}

// The models of a run (Trainer), counting.
class CountedRun {
 public:
  CountedRun(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe, const MethodPlan& method)
      : executor_(1), objective_(find_objective(recipe.objective).make({.beta = recipe.beta})) {
    DifferentiableOptions options = differentiable_options(recipe, method.trained);
    options.only_counts = true;
    policy_.emplace(executor_, method.model, options);
    if (!objective_->needs_reference()) return;
    options.trained = std::set<std::string>();
    options.shares_with = method.trains_base ? nullptr : &*policy_;
    reference_.emplace(executor_, base, options);
  }

  void train(const std::vector<const Example*>& examples) {
    const SequenceBatch batch(sequences_of(examples), scored_rows(policy_->model()));
    if (reference_) score(*reference_, batch);
    policy_->forward_body(batch.rows());
    if (!objective_->token_gradient({.example_count = 1, .learnt_count = 1}))
      policy_->read_logits([](Range, const float*) {});
    policy_->backward_body([](Range, float*) {});
    tokens_max_ = std::max(tokens_max_, batch.rows().offsets.back());
  }
  void evaluate(const std::vector<const Example*>& examples) {
    const SequenceBatch batch(sequences_of(examples), scored_rows(policy_->model()));
    if (reference_) score(*reference_, batch);
    score(*policy_, batch);
  }

  int64_t rounded_bytes() const { return policy_->rounded_bytes() + (reference_ ? reference_->rounded_bytes() : 0); }
  int64_t policy_bytes() const { return static_cast<int64_t>(policy_->pass_bytes_max()); }
  int64_t reference_bytes() const { return reference_ ? static_cast<int64_t>(reference_->pass_bytes_max()) : 0; }
  int64_t tokens_max() const { return tokens_max_; }  // of a batch

 private:
  static void score(DifferentiableModel& model, const SequenceBatch& batch) {
    model.forward_body(batch.rows());
    model.read_logits([](Range, const float*) {});
  }

  Executor executor_;
  std::unique_ptr<Objective> objective_;
  std::optional<DifferentiableModel> policy_;
  std::optional<DifferentiableModel> reference_;
  int64_t tokens_max_ = 0;
};

void go_through(CountedRun& run, const TuneRecipe& recipe, const std::vector<Example>& examples,
                const std::vector<Example>& evaluation) {
  StepBatches batches(recipe, examples);
  for (const int64_t step : steps_to_go_through(batches)) {
    for (const std::vector<const Example*>& batch : batches.of_step(step)) run.train(batch);
  }
  for (const std::vector<const Example*>& batch : evaluation_batches(evaluation, recipe.batch_size)) {
    run.evaluate(batch);
  }
}

int64_t mapped_bytes(const Model& base) {
  int64_t bytes = 0;
  for (const WeightSpec& weight : base.graph.weights) {
    const Tensor& tensor = base.weights.at(weight.name);
    if (!tensor.is_heap()) bytes += tensor.size_bytes();
  }
  return bytes;
}

// What makes a recipe smaller, one after the other: each changes it and says how; none: there is nothing of it to
// change.
using Saving = std::optional<std::string> (*)(TuneRecipe& recipe);
constexpr Saving kSavings[] = {
    [](TuneRecipe& recipe) -> std::optional<std::string> {
      if (recipe.activation_checkpointing != "none") return std::nullopt;
      recipe.activation_checkpointing = "layer";
      return "activation_checkpointing: layer";
    },
    [](TuneRecipe& recipe) -> std::optional<std::string> {
      const int64_t least = find_objective(recipe.objective).make({})->needs_mismatched() ? 2 : 1;
      if (recipe.batch_size <= least || recipe.batch_size % least != 0) return std::nullopt;
      recipe.gradient_accumulation *= recipe.batch_size / least;
      recipe.batch_size = least;
      return fmt::format("batch_size: {}, gradient_accumulation: {}", least, recipe.gradient_accumulation);
    },
    [](TuneRecipe& recipe) -> std::optional<std::string> {
      if (recipe.optimiser != "adamw") return std::nullopt;
      recipe.optimiser = "adamw_8bit";
      return "optimiser: adamw_8bit";
    },
    [](TuneRecipe& recipe) -> std::optional<std::string> {
      if (recipe.precision != "bf16") return std::nullopt;
      recipe.precision = "f32";
      return "precision: f32";
    },
    [](TuneRecipe& recipe) -> std::optional<std::string> {
      if (recipe.method != "full") return std::nullopt;  // an adapter is small already
      const TuneRecipe defaults;
      recipe.method = defaults.method;
      recipe.trained = defaults.trained;
      recipe.last_layers.reset();
      recipe.merge = find_objective(recipe.objective).has_head;
      return recipe.merge ? "method: lora, merge: true" : "method: lora";
    },
};

}  // namespace

int64_t MemoryPlan::total_bytes() const {
  return std::accumulate(parts.begin(), parts.end(), int64_t{0},
                         [](int64_t sum, const MemoryPart& part) { return sum + part.bytes; });
}

MemoryPlan plan_memory(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe,
                       const std::vector<Example>& examples, const std::vector<Example>& evaluation,
                       int64_t held_bytes) {
  const std::shared_ptr<const Model> start = training_base(base, recipe);
  const MethodPlan method = find_training_method(recipe.method).plan(start, recipe);
  const OptimiserKind& optimiser = find_optimiser(recipe.optimiser);
  const OptimiserOptions optimiser_options{.momentum = recipe.momentum};
  int64_t trained_count = 0, state_bytes = 0;
  for (const MethodPlan::Parameter& parameter : method.parameters) {
    trained_count += parameter.shape.element_count();
    state_bytes += optimiser.state_bytes(parameter.name, parameter.shape, optimiser_options);
  }
  int64_t gradient_count = 0;  // weights that share a parameter have one each
  for (const WeightSpec& weight : method.model->graph.weights) {
    if (method.trained.contains(weight.name)) gradient_count += weight.shape.element_count();
  }
  CountedRun run(start, recipe, method);
  go_through(run, recipe, examples, evaluation);

  MemoryPlan plan;
  const auto add = [&](std::string name, int64_t bytes, std::string arithmetic) {
    if (bytes > 0) plan.parts.push_back({std::move(name), bytes, std::move(arithmetic)});
  };
  add("program and data", held_bytes, "held now");
  add("model's file", mapped_bytes(*base), "mapped, read once");
  add("weights of the run", method.weight_bytes,
      fmt::format("4 bytes × {} numbers", in_millions(method.weight_bytes / int64_t{sizeof(float)})));
  add("matrices in BF16", run.rounded_bytes(),
      fmt::format("each and its transpose: 2 × 2 bytes × {} numbers", in_millions(run.rounded_bytes() / 4)));
  add("gradients", gradient_count * int64_t{sizeof(float)},
      fmt::format("4 bytes × {} numbers", in_millions(gradient_count)));
  add("optimiser", state_bytes,
      fmt::format("{}: {:.3g} bytes × {} numbers", recipe.optimiser,
                  static_cast<double>(state_bytes) / static_cast<double>(std::max<int64_t>(1, trained_count)),
                  in_millions(trained_count)));
  add("activations", run.policy_bytes(),
      fmt::format("and their gradients, counted: the largest batch is of {} tokens", run.tokens_max()));
  add("reference's activations", run.reference_bytes(), "counted");
  add("writing", method.writing_bytes, "at the end");
  return plan;
}

std::optional<FittingRecipe> find_fitting_recipe(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe,
                                                 const std::vector<Example>& examples,
                                                 const std::vector<Example>& evaluation, int64_t held_bytes,
                                                 int64_t available_bytes) {
  const auto total_of = [&](const TuneRecipe& of) {
    return plan_memory(base, of, examples, evaluation, held_bytes).total_bytes();
  };
  FittingRecipe fitting{recipe, "", total_of(recipe)};
  for (const Saving& save : kSavings) {
    TuneRecipe smaller = fitting.recipe;
    const std::optional<std::string> said = save(smaller);
    if (!said) continue;
    const int64_t total = total_of(smaller);
    if (total >= fitting.total_bytes) continue;
    fitting = {smaller, fitting.changes.empty() ? *said : fitting.changes + ", " + *said, total};
    if (total <= available_bytes) return fitting;
  }
  return std::nullopt;
}

json::object to_json(const MemoryPlan& plan) {
  json::array parts;
  for (const MemoryPart& part : plan.parts) {
    parts.push_back({{"name", part.name}, {"bytes", part.bytes}, {"arithmetic", part.arithmetic}});
  }
  return {{"parts", std::move(parts)}, {"total_bytes", plan.total_bytes()}};
}

ParameterMemory parameter_memory(double parameter_count, double bytes_per_number, double trained_share) {
  ParameterMemory memory{};
  memory.weight_bytes = parameter_count * bytes_per_number;
  memory.inference_bytes = memory.weight_bytes * kHuyensShare;
  memory.gradient_adam_bytes = 3 * parameter_count * trained_share * bytes_per_number;
  memory.training_bytes = memory.weight_bytes + memory.gradient_adam_bytes;
  return memory;
}

}  // namespace pelton
