// Training of the demo model against PEFT's, step by step (tests/golden/train/README.md). Some steps; all ten by
// tests/cli/tune_long.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/golden_dir.h"
#include "train/record_reader.h"
#include "train/trainer.h"

namespace pelton {
namespace {

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(kGoldenDir) / "train" / name; }

json::object read_golden_json(const std::string& name) {
  return parse_json(read_file(golden(name), 1 << 20), name).as_object();
}

std::shared_ptr<const ModelBundle> demo_bundle() {
  static const std::shared_ptr<const ModelBundle> bundle = []() -> std::shared_ptr<const ModelBundle> {
    const char* path = std::getenv("PELTON_DEMO_MODEL");
    try {
      return load_bundle(path != nullptr ? path : "smollm2-135m-instruct-q4_1");
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      return nullptr;
    }
  }();
  return bundle;
}

std::vector<Example> read_examples(const std::string& file) {
  const ExampleEncoder encoder(demo_bundle(), {});
  std::vector<Example> examples;
  read_records({golden(file)}, BadRecord::kStop,
               [&](const Record& record) { examples.push_back(encoder.encode(record)); });
  return examples;
}

std::vector<int32_t> ids(const json::object& fields, std::string_view name) {
  return json::value_to<std::vector<int32_t>>(fields.at(name));
}

class TrainingOracle : public testing::Test {
 protected:
  void SetUp() override {
    if (demo_bundle() == nullptr) GTEST_SKIP() << "no demo model; scripts/fetch-demo-model gets it";
  }

  static TuneRecipe recipe() {
    TuneRecipe recipe;
    recipe.shuffle = false;
    recipe.seed = 1234;
    return recipe;
  }

  Executor executor_{2};
};

TEST_F(TrainingOracle, ChatsHaveTheReferencesTokensAndMask) {
  const json::array expected = read_golden_json("lora_sft.json").at("data").as_array();
  const std::vector<Example> examples = read_examples("chats.jsonl");
  ASSERT_EQ(examples.size(), expected.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const json::object& record = expected[i].as_object();
    const TrainingSequence& sequence = examples[i].sequences.at(0);
    EXPECT_EQ(sequence.tokens, ids(record, "input_ids")) << examples[i].place;
    EXPECT_EQ(std::vector<int32_t>(sequence.is_learnt.begin(), sequence.is_learnt.end()), ids(record, "loss_mask"))
        << examples[i].place;
  }
}

TEST_F(TrainingOracle, PreferencesHaveTheReferencesPromptAndAnswers) {
  const json::array expected = read_golden_json("dpo.json").at("data").as_array();
  const std::vector<Example> examples = read_examples("preferences.jsonl");
  ASSERT_EQ(examples.size(), expected.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const json::object& record = expected[i].as_object();
    const std::vector<int32_t> prompt = ids(record, "prompt");
    constexpr const char* kAnswers[] = {"chosen", "rejected"};
    for (size_t answer = 0; answer < 2; ++answer) {
      std::vector<int32_t> tokens = prompt;
      const std::vector<int32_t> rest = ids(record, kAnswers[answer]);
      tokens.insert(tokens.end(), rest.begin(), rest.end());
      std::vector<bool> learnt(prompt.size(), false);
      learnt.insert(learnt.end(), rest.size(), true);
      EXPECT_EQ(examples[i].sequences.at(answer).tokens, tokens) << examples[i].place;
      EXPECT_EQ(examples[i].sequences.at(answer).is_learnt, learnt) << examples[i].place;
    }
  }
}

TEST_F(TrainingOracle, LossesOfLoraAreTheReferences) {
  const json::array log = read_golden_json("lora_sft.json").at("log").as_array();
  TuneRecipe sft = recipe();
  sft.learning_rate = 5e-4;
  sft.steps = 3;
  Trainer trainer(executor_, demo_bundle()->model, sft, read_examples("chats.jsonl"));
  for (int64_t step = 0; step < 3; ++step) {
    const json::object& expected = log[static_cast<size_t>(step)].as_object();
    const StepReport report = trainer.step();
    // Sums of float32 in other orders: PEFT and TRL differ by 2.5e-5.
    EXPECT_NEAR(report.loss, expected.at("loss").to_number<double>(), 1e-4) << "step " << report.step;
    const double norm = expected.at("grad_norm").to_number<double>();
    EXPECT_NEAR(report.gradient_norm, norm, 1e-3 * norm) << "step " << report.step;
    EXPECT_EQ(report.token_count, expected.at("tokens").to_number<int64_t>());
    EXPECT_EQ(report.learnt_count, expected.at("trained_tokens").to_number<int64_t>());
  }
}

// In BF16 nearly the same: matrices have eight bits.
TEST_F(TrainingOracle, BF16StaysClose) {
  const json::array log = read_golden_json("lora_sft.json").at("log").as_array();
  TuneRecipe sft = recipe();
  sft.learning_rate = 5e-4;
  sft.steps = 2;
  sft.precision = "bf16";
  Trainer trainer(executor_, demo_bundle()->model, sft, read_examples("chats.jsonl"));
  for (size_t step = 0; step < 2; ++step) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.loss, log[step].at("loss").to_number<double>(), 0.02) << "step " << report.step;
    const double norm = log[step].at("grad_norm").to_number<double>();
    EXPECT_NEAR(report.gradient_norm, norm, 0.05 * norm) << "step " << report.step;
  }
}

// The same numbers where each step takes its examples in parts.
TEST_F(TrainingOracle, AccumulationGivesTheSameSteps) {
  const json::array log = read_golden_json("lora_sft.json").at("log").as_array();
  TuneRecipe sft = recipe();
  sft.learning_rate = 5e-4;
  sft.steps = 1;
  sft.batch_size = 1;
  sft.gradient_accumulation = 4;
  Trainer trainer(executor_, demo_bundle()->model, sft, read_examples("chats.jsonl"));
  const StepReport report = trainer.step();
  EXPECT_NEAR(report.loss, log[0].at("loss").to_number<double>(), 1e-4);
  const double norm = log[0].at("grad_norm").to_number<double>();
  EXPECT_NEAR(report.gradient_norm, norm, 1e-3 * norm);
}

TEST_F(TrainingOracle, LossesAndMarginsOfDpoAreTheReferences) {
  const json::array log = read_golden_json("dpo.json").at("log").as_array();
  TuneRecipe dpo = recipe();
  dpo.objective = "dpo";
  dpo.learning_rate = 1e-4;
  dpo.batch_size = 2;
  dpo.steps = 3;
  Trainer trainer(executor_, demo_bundle()->model, dpo, read_examples("preferences.jsonl"));
  for (size_t step = 0; step < 3; ++step) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.loss, log[step].at("loss").to_number<double>(), 1e-5) << "step " << step + 1;
    const double norm = log[step].at("grad_norm").to_number<double>();
    EXPECT_NEAR(report.gradient_norm, norm, 1e-3 * norm) << "step " << step + 1;
    const auto margins = json::value_to<std::vector<double>>(log[step].at("margin"));
    EXPECT_NEAR(report.metrics.at("margin"), (margins[0] + margins[1]) / 2, 1e-4);
    EXPECT_DOUBLE_EQ(report.metrics.at("accuracy"), log[step].at("acc").to_number<double>());
  }
}

}  // namespace
}  // namespace pelton
