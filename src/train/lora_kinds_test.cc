// LoRA's kinds: DoRA, PiSSA and OLoRA with their steps beside PEFT's (tests/golden/dora, lora_start); dropout.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/safetensors.h"
#include "model/adapter.h"
#include "model/bundle.h"
#include "train/golden_examples.h"
#include "train/trainer.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = kGoldenDir;

TuneRecipe dora_recipe(const std::string& base) {
  TuneRecipe recipe;
  recipe.init_adapter = (kGolden / "dora" / base).string();
  recipe.rank = 4;
  recipe.alpha = 8;
  recipe.targets = {"q", "v", "o", "down"};
  recipe.dora = true;
  recipe.learning_rate = 1e-2;
  recipe.max_grad_norm = 0;
  recipe.batch_size = 2;
  recipe.steps = 4;
  recipe.shuffle = false;
  return recipe;
}

class Dora : public testing::TestWithParam<std::string> {};

TEST_P(Dora, StepsArePefts) {
  Executor executor(2);
  const auto expected = SafetensorsFile::open(kGolden / "dora" / GetParam() / "expected.safetensors");
  const Tensor losses = *expected->find("losses");
  const auto base = load_bundle((kGolden / "arch" / GetParam()).string())->model;
  Trainer trainer(executor, base, dora_recipe(GetParam()), golden_examples(*expected));
  for (int64_t step = 0; step < 4; ++step) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.loss, losses.floats()[step], 2e-5) << "step " << step + 1;
    if (step > 0) continue;
    double squares = 0;
    for (const TensorEntry& entry : expected->entries()) {
      if (!entry.name.starts_with("gradient.")) continue;
      const Tensor gradient = *expected->find(entry.name);
      for (int64_t i = 0; i < gradient.shape().element_count(); ++i) {
        squares += std::pow(static_cast<double>(gradient.floats()[i]), 2);
      }
    }
    EXPECT_NEAR(report.gradient_norm, std::sqrt(squares), 1e-4 * std::sqrt(squares));
  }
}

INSTANTIATE_TEST_SUITE_P(Peft, Dora, testing::Values("llama", "qwen2"));

// A new one changes nothing: magnitudes are the lengths that the rows have.
TEST(DoraMethod, BeginsAsTheBase) {
  Executor executor(2);
  const auto expected = SafetensorsFile::open(kGolden / "dora/llama/expected.safetensors");
  const auto base = load_bundle((kGolden / "arch/llama").string())->model;
  const auto first_loss = [&](bool is_dora) {
    TuneRecipe recipe = dora_recipe("llama");
    recipe.init_adapter.reset();
    recipe.dora = is_dora;
    return Trainer(executor, base, recipe, golden_examples(*expected)).step().loss;
  };
  EXPECT_NEAR(first_loss(true), first_loss(false), 1e-6);
}

TuneRecipe start_recipe(const std::string& init) {
  TuneRecipe recipe = dora_recipe("llama");
  recipe.init_adapter.reset();
  recipe.dora = false;
  recipe.init = init;
  recipe.learning_rate = 3e-3;
  recipe.steps = 5;
  return recipe;
}

class LoraStartOf : public testing::TestWithParam<std::string> {};

// PEFT takes what the adapter begins as away from the base's matrices, and we let it stand beside them; the steps are
// the same, and what is written is an adapter of the base as everybody has it.
TEST_P(LoraStartOf, StepsArePeftsAndItsFileIsOfThePlainBase) {
  Executor executor(2);
  const auto expected = SafetensorsFile::open(kGolden / "lora_start" / (GetParam() + ".safetensors"));
  const std::vector<Example> examples = golden_examples(*expected);
  const auto base = load_bundle((kGolden / "arch/llama").string())->model;
  Trainer trainer(executor, base, start_recipe(GetParam()), examples);
  const Tensor losses = *expected->find("losses");
  for (int64_t step = 0; step < 5; ++step) EXPECT_NEAR(trainer.step().loss, losses.floats()[step], 2e-5) << step;

  const TestFolder folder;
  trainer.method().write_output(executor, kGolden / "arch/llama", folder.path());
  const Adapter adapter = read_adapter(folder.path(), *base);
  EXPECT_EQ(adapter.matrices.front().a.shape()[0], 8) << "twice the rank";
  const std::vector<float> logits = golden_logits(executor, with_adapter(*base, adapter), examples);
  const Tensor wanted = *expected->find("logits");
  ASSERT_EQ(static_cast<int64_t>(logits.size()), wanted.shape().element_count());
  for (size_t i = 0; i < logits.size(); ++i) {
    ASSERT_NEAR(logits[i], wanted.floats()[static_cast<int64_t>(i)], 1e-3) << i;
  }
}

TEST_P(LoraStartOf, TakesAllOfItsPlaceAmongTheKeys) {
  Executor executor(1);
  const auto expected = SafetensorsFile::open(kGolden / "lora_start" / (GetParam() + ".safetensors"));
  const auto base = load_bundle((kGolden / "arch/llama").string())->model;
  const auto refused = [&](auto change) {
    RecipeValues values = {{"model", {"m"}}, {"data", {"d"}}, {"output", {"o"}}, {"init", {GetParam()}}};
    change(values);
    EXPECT_THROW(make_recipe(values, {}), Error);
  };
  refused([](RecipeValues& values) { values["dora"] = {"true"}; });
  refused([](RecipeValues& values) { values["init_adapter"] = {"a"}; });
  refused([](RecipeValues& values) { values["init"] = {"pisa"}; });
  TuneRecipe recipe = start_recipe(GetParam());
  recipe.rank = 4096;  // more than the matrices have
  EXPECT_THROW(Trainer(executor, base, recipe, golden_examples(*expected)), Error);
}

INSTANTIATE_TEST_SUITE_P(Peft, LoraStartOf, testing::Values("pissa", "olora"));

TEST(Dropout, IsTheSameForASeedAndAStepAndOffWhileEvaluating) {
  const auto expected = SafetensorsFile::open(kGolden / "dora/llama/expected.safetensors");
  const auto base = load_bundle((kGolden / "arch/llama").string())->model;
  const std::vector<Example> examples = golden_examples(*expected);
  struct Run {
    std::vector<double> losses;
    double evaluated;
  };
  const auto run = [&](double dropout, int64_t seed, int thread_count, const std::string& checkpointing = "none") {
    Executor executor(thread_count);
    TuneRecipe recipe = dora_recipe("llama");
    recipe.dropout = dropout;
    recipe.seed = seed;
    recipe.activation_checkpointing = checkpointing;
    Trainer trainer(executor, base, recipe, examples);
    Run result{.losses = {}, .evaluated = trainer.evaluate(examples).loss};
    for (int step = 0; step < 3; ++step) result.losses.push_back(trainer.step().loss);
    return result;
  };
  const Run none = run(0, 1, 2), half = run(0.5, 1, 2);
  EXPECT_EQ(half.evaluated, none.evaluated);
  EXPECT_NE(half.losses[0], none.losses[0]);
  EXPECT_EQ(half.losses, run(0.5, 1, 1).losses) << "on any number of threads";
  EXPECT_EQ(half.losses, run(0.5, 1, 2, "layer").losses) << "and where activations are computed again";
  EXPECT_NE(half.losses, run(0.5, 2, 2).losses);
}

}  // namespace
}  // namespace pelton
