// IA³'s steps beside PEFT's (tests/golden/ia3), what it writes, and what it does not go on from.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/safetensors.h"
#include "model/adapter.h"
#include "model/bundle.h"
#include "model/convert.h"
#include "model/differentiable.h"
#include "train/golden_examples.h"
#include "train/memory_plan.h"
#include "train/trainer.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = kGoldenDir;

TuneRecipe ia3_recipe(const std::string& base) {
  TuneRecipe recipe;
  recipe.method = "ia3";
  recipe.init_adapter = (kGolden / "ia3" / base).string();
  recipe.targets = {"k", "v", "down"};
  recipe.learning_rate = 3e-2;
  recipe.max_grad_norm = 0;
  recipe.batch_size = 2;
  recipe.steps = 5;
  recipe.shuffle = false;
  return recipe;
}

class Ia3 : public testing::TestWithParam<std::string> {
 protected:
  double number(const std::string& name, int64_t i) const {
    return static_cast<double>(expected_->find(name)->floats()[i]);
  }

  // Those of PEFT after its five steps.
  void expect_last_logits(const std::shared_ptr<const Model>& model) {
    const std::vector<float> logits = golden_logits(executor_, model, examples_);
    ASSERT_EQ(static_cast<int64_t>(logits.size()), expected_->find("last_logits")->shape().element_count());
    for (size_t i = 0; i < logits.size(); ++i) {
      ASSERT_NEAR(logits[i], number("last_logits", static_cast<int64_t>(i)), 1e-3) << i;
    }
  }

  Executor executor_{2};
  const std::shared_ptr<const SafetensorsFile> expected_ =
      SafetensorsFile::open(kGolden / "ia3" / GetParam() / "expected.safetensors");
  const std::vector<Example> examples_ = golden_examples(*expected_);
  const std::shared_ptr<const Model> base_ = load_bundle((kGolden / "arch" / GetParam()).string())->model;
};

TEST_P(Ia3, StepsArePeftsAndSoIsWhatIsWritten) {
  Trainer trainer(executor_, base_, ia3_recipe(GetParam()), examples_);
  for (int64_t step = 0; step < 5; ++step) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.loss, number("losses", step), 2e-5) << "step " << step + 1;
    if (step > 0) continue;
    double squares = 0;
    for (const TensorEntry& entry : expected_->entries()) {
      if (!entry.name.starts_with("gradient.")) continue;
      for (int64_t i = 0; i < entry.shape.element_count(); ++i) squares += std::pow(number(entry.name, i), 2);
    }
    EXPECT_NEAR(report.gradient_norm, std::sqrt(squares), 1e-4 * std::sqrt(squares));
  }
  const TestFolder folder;
  EXPECT_EQ(trainer.method().output_kind(), "adapter");
  EXPECT_EQ(trainer.method().write_output(executor_, kGolden / "arch" / GetParam(), folder.path()), "");
  expect_last_logits(with_adapter(*base_, read_adapter(folder.path(), *base_)));
}

TEST_P(Ia3, MergedItIsAModelThatComputesTheSame) {
  TuneRecipe recipe = ia3_recipe(GetParam());
  recipe.merge = true;
  Trainer trainer(executor_, base_, recipe, examples_);
  for (int64_t step = 0; step < 5; ++step) trainer.step();
  const TestFolder folder;
  const fs::path base = kGolden / "arch" / GetParam();
  EXPECT_EQ(trainer.method().output_kind(), "model");
  trainer.method().check_output(base);
  const std::string note = trainer.method().write_output(executor_, base, folder.path());
  EXPECT_TRUE(note.starts_with("merged: the adapter changes")) << note;
  expect_last_logits(load_bundle(folder.path().string())->model);
}

TEST_P(Ia3, BeginsAsTheBase) {
  TuneRecipe recipe = ia3_recipe(GetParam());
  recipe.init_adapter.reset();
  EXPECT_NEAR(Trainer(executor_, base_, recipe, examples_).step().loss, number("first_loss", 0), 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Peft, Ia3, testing::Values("llama", "qwen2"));

class Ia3Method : public testing::Test {
 protected:
  std::vector<double> losses(const TuneRecipe& recipe, const std::shared_ptr<const Model>& base) {
    Trainer trainer(executor_, base, recipe, examples_);
    std::vector<double> found;
    for (int step = 0; step < 5; ++step) found.push_back(trainer.step().loss);
    return found;
  }

  Executor executor_{2};
  const std::vector<Example> examples_ =
      golden_examples(*SafetensorsFile::open(kGolden / "ia3/llama/expected.safetensors"));
  const std::shared_ptr<const Model> base_ = load_bundle((kGolden / "arch/llama").string())->model;
};

TEST_F(Ia3Method, LearnsOnAQuantisedBaseInBf16AndWithCheckpointing) {
  const TestFolder work;
  convert_model(executor_, {.source = kGolden / "arch/llama", .destination = work.path() / "q.gguf", .type = "q8_0"});
  const auto quantised = load_bundle((work.path() / "q.gguf").string())->model;
  TuneRecipe recipe = ia3_recipe("llama");
  const std::vector<double> plain = losses(recipe, quantised);
  EXPECT_LT(plain[4], plain[0] - 0.1);
  recipe.activation_checkpointing = "layer";
  EXPECT_EQ(losses(recipe, quantised), plain) << "activations that are computed again";
  recipe.precision = "bf16";
  const std::vector<double> rounded = losses(recipe, quantised);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(rounded[i], plain[i], 0.02);
}

TEST_F(Ia3Method, AnyMatrixMayHaveFactors) {
  TuneRecipe recipe = ia3_recipe("llama");
  recipe.init_adapter.reset();
  recipe.targets = {"all-linear"};
  const std::vector<double> found = losses(recipe, base_);
  EXPECT_LT(found[4], found[0] - 0.1);
}

// Where there is no gradient, decay would still move them.
TEST_F(Ia3Method, WeightDecayLeavesFactorsAlone) {
  TuneRecipe recipe = ia3_recipe("llama");
  const std::vector<double> plain = losses(recipe, base_);
  recipe.weight_decay = 0.5;
  EXPECT_EQ(losses(recipe, base_), plain);
}

TEST_F(Ia3Method, GoesOnOnlyFromWhatTheRecipeSays) {
  const auto start = [&](const TuneRecipe& recipe) {
    return [&, recipe] { Trainer(executor_, base_, recipe, examples_); };
  };
  TuneRecipe recipe = ia3_recipe("llama");
  recipe.targets = {"q", "k", "v", "down"};
  expect_error(start(recipe), ErrorCode::kInvalidArgument, {"init_adapter has", "targets", "layers.0.attention.query"});
  recipe.targets = {"k", "v"};
  expect_error(start(recipe), ErrorCode::kInvalidArgument, {"init_adapter has", "layers.0.mlp.down"});
  recipe = ia3_recipe("llama");
  recipe.method = "lora";
  expect_error(start(recipe), ErrorCode::kInvalidArgument, {"init_adapter is one of method ia3", "lora"});
  recipe = ia3_recipe("llama");
  recipe.init_adapter = (kGolden / "adapter").string();
  expect_error(start(recipe), ErrorCode::kInvalidArgument, {"init_adapter is one of method lora", "ia3"});
  recipe = ia3_recipe("llama");
  recipe.targets = {"zebra"};
  expect_error(start(recipe), ErrorCode::kInvalidArgument, {"zebra", "k_proj"});
}

TEST_F(Ia3Method, TakesTheMemoryOfItsFactors) {
  const MemoryPlan plan = plan_memory(base_, ia3_recipe("llama"), examples_, {}, 0);
  const auto part = [&](std::string_view name) {
    for (const MemoryPart& one : plan.parts) {
      if (one.name == name) return one.bytes;
    }
    return int64_t{0};
  };
  const int64_t count = base_->spec.layer_count * (32 + 32 + 96);
  EXPECT_EQ(part("weights of the run"), 4 * count);
  EXPECT_EQ(part("gradients"), 4 * count);
  EXPECT_EQ(part("optimiser"), 8 * count);
  EXPECT_GT(part("activations"), 0);
}

}  // namespace
}  // namespace pelton
