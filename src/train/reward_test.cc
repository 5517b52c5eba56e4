// Reward models: their steps beside those of transformers' class (tests/golden/reward), and what becomes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/safetensors.h"
#include "model/bundle.h"
#include "model/convert.h"
#include "model/score_head.h"
#include "train/trainer.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = kGoldenDir;
constexpr int64_t kPairCount = 3;

std::shared_ptr<const SafetensorsFile> expected() {
  return SafetensorsFile::open(kGolden / "reward" / "rewards.safetensors");
}

std::vector<Example> golden_pairs() {
  std::vector<Example> pairs;
  for (int64_t i = 0; i < kPairCount; ++i) {
    Example& pair = pairs.emplace_back(Example{.place = "pair", .sequences = {}});
    for (const char* name : {"chosen", "rejected"}) {
      const Tensor ids = *expected()->find("pair." + std::to_string(i) + "." + name);
      TrainingSequence& sequence = pair.sequences.emplace_back();
      for (int64_t token = 0; token < ids.shape()[0]; ++token) {
        sequence.tokens.push_back(static_cast<int32_t>(reinterpret_cast<const int64_t*>(ids.data())[token]));
        sequence.is_learnt.push_back(token == 1);  // all count, learnt or not
      }
    }
  }
  return pairs;
}

TuneRecipe reward_recipe() {
  TuneRecipe recipe;
  recipe.objective = "reward";
  recipe.method = "full";
  recipe.learning_rate = 3e-3;
  recipe.max_grad_norm = 0;
  recipe.batch_size = kPairCount;
  recipe.steps = 5;
  recipe.shuffle = false;
  return recipe;
}

std::shared_ptr<const Model> base_model() { return load_bundle((kGolden / "arch/llama").string())->model; }

// Of each sequence of all pairs.
std::vector<float> scores_of(Executor& executor, const std::shared_ptr<const Model>& model) {
  const std::vector<Example> pairs = golden_pairs();
  std::vector<const Example*> pointers;
  for (const Example& pair : pairs) pointers.push_back(&pair);
  DifferentiableModel differentiable(executor, model, {.trained = std::set<std::string>()});
  return score_sequences(executor, differentiable, SequenceBatch(sequences_of(pointers), scored_rows(*model)));
}

testing::Matcher<std::vector<float>> are_near(const std::vector<float>& wanted, float tolerance) {
  return testing::Pointwise(testing::FloatNear(tolerance), wanted);
}

TEST(Reward, LearnsAsTransformersClassDoes) {
  Executor executor(2);
  Trainer trainer(executor, base_model(), reward_recipe(), golden_pairs());
  const Tensor losses = *expected()->find("losses");
  for (int64_t step = 0; step < 5; ++step) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.loss, losses.floats()[step], 2e-5) << step;
    EXPECT_EQ(report.metrics.at("accuracy"), step == 0 ? 0 : 1);
  }
  const Tensor scores = *expected()->find("scores");
  EXPECT_THAT(scores_of(executor, trainer.method().model()),
              are_near({scores.floats(), scores.floats() + 2 * kPairCount}, 1e-3F));
}

TEST(Reward, BecomesAClassifiersFolderAndGgufFile) {
  Executor executor(1);
  Trainer trainer(executor, base_model(), reward_recipe(), golden_pairs());
  for (int64_t step = 0; step < 2; ++step) trainer.step();
  const std::vector<float> scores = scores_of(executor, trainer.method().model());
  const TestFolder folder;
  const fs::path written = folder.path() / "reward", gguf = folder.path() / "reward.gguf",
                 back = folder.path() / "back";
  fs::create_directory(written);
  trainer.method().check_output(kGolden / "arch/llama");
  trainer.method().write_output(executor, kGolden / "arch/llama", written);
  convert_model(executor, {.source = written, .destination = gguf, .type = ""});
  convert_model(executor, {.source = gguf, .destination = back, .type = ""});
  for (const fs::path& path : {written, gguf, back}) {
    SCOPED_TRACE(path);
    const auto bundle = load_bundle(path.string());
    EXPECT_EQ(bundle->model->spec.label_count, 1);
    EXPECT_THAT(bundle->classifier.labels, testing::ElementsAre("LABEL_0"));
    EXPECT_THAT(scores_of(executor, bundle->model), are_near(scores, 1e-5F));
  }
  EXPECT_EQ(load_bundle(written.string())->classifier.activation, ScoreActivation::kIdentity);
  EXPECT_FALSE(open_safetensors_folder(written)->find("lm_head.weight").has_value());

  // What scores already goes on from where it is.
  Trainer further(executor, load_bundle(written.string())->model, reward_recipe(), golden_pairs());
  EXPECT_THAT(scores_of(executor, further.method().model()), are_near(scores, 1e-6F));
}

TEST(Reward, OfLoraIsTheMergedModel) {
  Executor executor(1);
  TuneRecipe recipe = reward_recipe();
  recipe.method = "lora";
  recipe.merge = true;
  recipe.rank = 4;
  recipe.learning_rate = 1e-2;
  Trainer trainer(executor, base_model(), recipe, golden_pairs());
  const double first = trainer.step().loss;
  EXPECT_LT(trainer.step().loss, first);
  EXPECT_LT(trainer.step().loss, first - 0.1);
  const TestFolder folder;
  trainer.method().write_output(executor, kGolden / "arch/llama", folder.path());
  EXPECT_THAT(scores_of(executor, load_bundle(folder.path().string())->model),
              are_near(scores_of(executor, trainer.method().model()), 1e-4F));
}

TEST(Reward, IsPlannedByteByByteAsItRuns) {
  Executor executor(1);
  const TuneRecipe recipe = reward_recipe();
  Trainer trainer(executor, base_model(), recipe, golden_pairs());
  const MethodPlan plan = find_training_method("full").plan(training_base(base_model(), recipe), recipe);
  int64_t bytes = 0;
  for (const TrainedParameter& one : trainer.method().parameters()) bytes += one.parameter.value.size_bytes();
  EXPECT_EQ(plan.weight_bytes, bytes);
  EXPECT_TRUE(plan.trained.contains(std::string(kScoreHead)));
  EXPECT_FALSE(plan.trained.contains("output")) << "the score takes its place";
}

TEST(Reward, TrainsTheHeadWhateverElseIsTrained) {
  Executor executor(1);
  TuneRecipe recipe = reward_recipe();
  recipe.last_layers = 1;
  Trainer trainer(executor, base_model(), recipe, golden_pairs());
  const std::vector<TrainedParameter> parameters = trainer.method().parameters();
  EXPECT_TRUE(std::any_of(parameters.begin(), parameters.end(),
                          [](const TrainedParameter& one) { return one.parameter.name == kScoreHead; }));
}

TEST(Reward, RefusesWhatCannotBe) {
  Executor executor(1);
  const auto is_refused = [](RecipeValues values) {
    values.merge(RecipeValues{{"model", {"m"}}, {"data", {"d"}}, {"output", {"o"}}, {"objective", {"reward"}}});
    EXPECT_THROW(make_recipe(values, {}), Error);
  };
  is_refused({});  // LoRA, and no files that could hold the head
  is_refused({{"method", {"full"}}, {"sample_prompts", {"Hello"}}});
  // Objectives of tokens on what gives none.
  TuneRecipe of_tokens = reward_recipe();
  of_tokens.objective = "simpo";
  EXPECT_THROW(Trainer(executor, with_score_head(base_model()), of_tokens, golden_pairs()), Error);
  EXPECT_THROW(with_score_head(load_bundle((kGolden / "encoder/bert").string())->model), Error);
}

}  // namespace
}  // namespace pelton
