#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/golden_dir.h"
#include "model/bundle.h"
#include "train/objective.h"

namespace pelton {
namespace {

std::shared_ptr<const Model> llama() {
  return load_bundle((std::filesystem::path(kGoldenDir) / "arch/llama").string())->model;
}

std::vector<Example> examples_of(std::vector<size_t> lengths, ExampleShape shape = ExampleShape::kOne) {
  std::vector<Example> examples;
  for (const size_t length : lengths) {
    const TrainingSequence sequence{std::vector<int32_t>(length, 5), std::vector<bool>(length, true)};
    Example& example = examples.emplace_back();
    example.sequences.assign(shape == ExampleShape::kPair ? 2 : 1, sequence);
  }
  return examples;
}

int64_t part(const MemoryPlan& plan, std::string_view name) {
  const auto found =
      std::find_if(plan.parts.begin(), plan.parts.end(), [&](const auto& one) { return one.name == name; });
  return found == plan.parts.end() ? 0 : found->bytes;
}

MemoryPlan plan_of(const TuneRecipe& recipe, const std::vector<Example>& examples) {
  return plan_memory(llama(), recipe, examples, {}, 1000);
}

// The sums of the book (AI Engineering, chapter 7).
TEST(ParameterMemory, IsThatOfTheField) {
  EXPECT_NEAR(parameter_memory(13e9, 2, 1).inference_bytes, 31.2e9, 1);
  EXPECT_NEAR(parameter_memory(13e9, 2, 1).gradient_adam_bytes, 78e9, 1);
  EXPECT_NEAR(parameter_memory(7e9, 2, 1).training_bytes, 56e9, 1);
  EXPECT_NEAR(parameter_memory(7e9, 2, 0.5).gradient_adam_bytes, 21e9, 1);
}

TEST(MemoryPlan, AddsUpWhatAFullRunHolds) {
  const auto base = llama();
  int64_t count = 0;
  for (const WeightSpec& weight : base->graph.weights) count += weight.shape.element_count();
  TuneRecipe recipe;
  recipe.method = "full";
  const std::vector<Example> examples = examples_of({12, 8, 30, 9});
  const MemoryPlan plan = plan_of(recipe, examples);
  EXPECT_EQ(part(plan, "program and data"), 1000);
  EXPECT_EQ(part(plan, "weights of the run"), 4 * count);
  EXPECT_EQ(part(plan, "gradients"), 4 * count);
  EXPECT_EQ(part(plan, "optimiser"), 8 * count);
  EXPECT_EQ(part(plan, "reference's activations"), 0);
  int64_t sum = 0;
  for (const MemoryPart& one : plan.parts) sum += one.bytes;
  EXPECT_EQ(plan.total_bytes(), sum);

  recipe.precision = "bf16";
  EXPECT_GT(part(plan_of(recipe, examples), "matrices in BF16"), 0);
  recipe.optimiser = "sgd";
  EXPECT_EQ(part(plan_of(recipe, examples), "optimiser"), 0);
}

TEST(MemoryPlan, FollowsTheBatches) {
  TuneRecipe recipe;
  recipe.batch_size = 2;
  const auto activations = [&](std::vector<size_t> lengths) {
    return part(plan_of(recipe, examples_of(std::move(lengths))), "activations");
  };
  EXPECT_GT(activations({40, 40, 40, 40}), activations({20, 20, 20, 20}));
  EXPECT_GE(activations({20, 20, 20, 40}), activations({20, 20, 20, 20}));
  recipe.steps = 1000;
  recipe.shuffle = false;
  std::vector<size_t> lengths(1000, 10);
  const int64_t alike = activations(lengths);
  lengths[990] = 60;  // far behind the first steps
  EXPECT_GT(activations(lengths), alike);
}

TEST(MemoryPlan, PreferencesHaveAReference) {
  TuneRecipe recipe;
  recipe.objective = "dpo";
  recipe.precision = "bf16";
  const std::vector<Example> pairs = examples_of({12, 12, 12, 12}, ExampleShape::kPair);
  const MemoryPlan plan = plan_of(recipe, pairs);
  EXPECT_GT(part(plan, "reference's activations"), 0);
  const int64_t shared = part(plan, "matrices in BF16");
  recipe.method = "full";
  EXPECT_EQ(part(plan_of(recipe, pairs), "matrices in BF16"), 2 * shared) << "the policy's matrices are its own";
}

TEST(FittingRecipe, IsTheNearestThatFits) {
  TuneRecipe recipe;
  recipe.method = "full";
  recipe.last_layers = 2;
  const std::vector<Example> examples = examples_of(std::vector<size_t>(8, 40));
  const int64_t total = plan_of(recipe, examples).total_bytes();
  const auto fitting = [&](int64_t available) {
    return find_fitting_recipe(llama(), recipe, examples, {}, 1000, available);
  };
  const auto nearest = fitting(total - 1);
  ASSERT_TRUE(nearest);
  EXPECT_EQ(nearest->changes, "activation_checkpointing: layer");
  EXPECT_LT(nearest->total_bytes, total);
  const auto next = fitting(nearest->total_bytes - 1);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->changes, "activation_checkpointing: layer, batch_size: 1, gradient_accumulation: 4");
  EXPECT_EQ(next->recipe.batch_size * next->recipe.gradient_accumulation, recipe.batch_size);
  EXPECT_FALSE(fitting(1001));
}

}  // namespace
}  // namespace pelton
