// The two ways to run a model for training against each other: logits as a whole, and some rows at a time.
#include "model/differentiable.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/golden_dir.h"
#include "base/rng.h"
#include "io/hf_folder.h"
#include "ops/cross_entropy.h"

namespace pelton {
namespace {

std::shared_ptr<const Model> golden_model(const std::string& name) {
  const auto folder = std::filesystem::path(kGoldenDir) / "arch" / name;
  return load_hugging_face_model(folder, read_hf_folder(folder).config);
}

// Three sequences; some rows have no target.
TrainingBatch make_batch(const Model& model, uint64_t seed) {
  Rng rng(seed);
  TrainingBatch batch;
  batch.offsets = {0, 5, 6, 19};
  for (int64_t row = 0; row < batch.offsets.back(); ++row) {
    const auto token = [&] {
      return static_cast<int32_t>(rng.next_below(static_cast<uint64_t>(model.spec.vocabulary_size)));
    };
    batch.tokens.push_back(token());
    batch.targets.push_back(row % 3 == 1 ? kIgnoredTarget : token());
  }
  return batch;
}

// Largest difference of two gradients, relative to the largest value of the second, or to `least` if that is larger.
double difference(const Tensor& got, const Tensor& expected, double least = 1e-12) {
  double worst = 0, largest = least;
  for (int64_t i = 0; i < expected.shape().element_count(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got.floats()[i]) - static_cast<double>(expected.floats()[i])));
    largest = std::max(largest, std::abs(static_cast<double>(expected.floats()[i])));
  }
  return worst / largest;
}

// The mean's gradient, by the way that makes logits some rows at a time.
std::vector<float> run_in_parts(Executor& executor, DifferentiableModel& model, const TrainingBatch& batch) {
  std::vector<int32_t> targets;
  for (const int32_t target : batch.targets) {
    if (target != kIgnoredTarget) targets.push_back(target);
  }
  const int64_t vocabulary_size = model.model().spec.vocabulary_size;
  std::vector<float> scores(targets.size());
  const std::vector<float> d_scores(targets.size(), -1.0F / static_cast<float>(targets.size()));
  EXPECT_EQ(model.forward_body(batch), static_cast<int64_t>(targets.size()));
  model.read_logits([&](Range rows, const float* logits) {
    target_log_probabilities(
        executor, {logits, &targets[static_cast<size_t>(rows.begin)], rows.end - rows.begin, vocabulary_size},
        &scores[static_cast<size_t>(rows.begin)]);
  });
  model.backward_body([&](Range rows, float* logits) {
    target_log_probabilities_backward(
        executor, {logits, &targets[static_cast<size_t>(rows.begin)], rows.end - rows.begin, vocabulary_size},
        &d_scores[static_cast<size_t>(rows.begin)], logits);
  });
  return scores;
}

std::set<std::string> norms_of(const Model& model) {
  std::set<std::string> norms;
  for (const WeightSpec& weight : model.graph.weights) {
    if (weight.shape.rank() == 1 && weight.name.find("norm") != std::string::npos) norms.insert(weight.name);
  }
  return norms;
}

class TwoWays : public testing::TestWithParam<const char*> {};

TEST_P(TwoWays, GiveTheSameLossAndGradients) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  DifferentiableModel whole(executor, model);
  // Four rows at once: several parts, the last of them shorter.
  DifferentiableModel parts(executor, model, {.logits_at_once = 4 * model->spec.vocabulary_size + 1});
  for (const uint64_t seed : {1, 2}) {  // the second finds what the first left
    const TrainingBatch batch = make_batch(*model, seed);
    whole.clear_gradients();
    parts.clear_gradients();
    whole.forward(batch);
    const double loss = whole.backward();
    double sum = 0;
    const std::vector<float> scores = run_in_parts(executor, parts, batch);
    for (const float score : scores) sum -= static_cast<double>(score);
    EXPECT_NEAR(sum / static_cast<double>(scores.size()), loss, 1e-5);
    for (const auto& [name, gradient] : whole.gradients()) {
      // Sums over the rows in another order. Of the keys' biases the gradient is nothing but rounding.
      EXPECT_LE(difference(parts.gradients().at(name), gradient, 1e-3), 2e-5) << name;
    }
  }
}

TEST_P(TwoWays, GradientsThatNobodyAskedForDoNotChangeTheOthers) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  DifferentiableModel all(executor, model);
  const TrainingBatch batch = make_batch(*model, 3);
  run_in_parts(executor, all, batch);
  for (const auto& [name, expected] : all.gradients()) {
    DifferentiableModel one(executor, model, {.trained = std::set<std::string>{name}});
    ASSERT_EQ(one.gradients().size(), 1U);
    run_in_parts(executor, one, batch);
    EXPECT_EQ(difference(one.gradients().at(name), expected), 0) << name;
  }
}

// What is computed again has the bits that it had.
TEST_P(TwoWays, CheckpointingChangesNoBit) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  std::set<std::string> some;  // a gradient that needs inputs of matrices, in some of the layers only
  for (const WeightSpec& weight : model->graph.weights) {
    if (weight.name.find("layers.1.") != std::string::npos) some.insert(weight.name);
  }
  ASSERT_FALSE(some.empty());
  for (const std::optional<std::set<std::string>>& trained : {std::optional<std::set<std::string>>(), {some}}) {
    DifferentiableModel kept(executor, model, {.trained = trained});
    DifferentiableModel again(executor, model, {.trained = trained, .checkpointing = ActivationCheckpointing::kLayer});
    for (const uint64_t seed : {6, 7}) {
      const TrainingBatch batch = make_batch(*model, seed);
      EXPECT_EQ(run_in_parts(executor, kept, batch), run_in_parts(executor, again, batch));
      const double loss = (kept.forward(batch), kept.backward());
      EXPECT_EQ((again.forward(batch), again.backward()), loss);
    }
    for (const auto& [name, expected] : kept.gradients()) {
      EXPECT_EQ(difference(again.gradients().at(name), expected), 0) << name;
    }
  }
}

// Rounds of a sum of norms' gradients: what stays in BF16 has eight bits.
TEST_P(TwoWays, CheckpointingInBF16IsNearly) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  const std::set<std::string> trained = norms_of(*model);
  DifferentiableModel kept(executor, model, {.trained = trained, .uses_bf16 = true});
  DifferentiableModel again(
      executor, model,
      {.trained = trained, .uses_bf16 = true, .checkpointing = ActivationCheckpointing::kLayer, .shares_with = &kept});
  const TrainingBatch batch = make_batch(*model, 8);
  run_in_parts(executor, kept, batch);
  run_in_parts(executor, again, batch);
  for (const auto& [name, expected] : kept.gradients()) {
    EXPECT_LE(difference(again.gradients().at(name), expected, 1e-2), 0.05) << name;
  }
}

// Full finetuning in BF16: products of rounded numbers, gradients in float32.
TEST_P(TwoWays, AllGradientsInBF16AreNearly) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  DifferentiableModel exact(executor, model);
  DifferentiableModel rounded(executor, model, {.uses_bf16 = true});
  const TrainingBatch batch = make_batch(*model, 9);
  EXPECT_NE(run_in_parts(executor, exact, batch), run_in_parts(executor, rounded, batch)) << "not in BF16";
  for (const auto& [name, gradient] : exact.gradients()) {
    EXPECT_LE(difference(rounded.gradients().at(name), gradient, 2e-2), 0.1) << name;
  }
}

// What layers derive from weights follows them: as if the model had been made with the new ones.
TEST_P(TwoWays, WeightsThatChangeAreSeen) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  for (const bool uses_bf16 : {false, true}) {
    std::map<std::string, Tensor> weights;
    for (const WeightSpec& weight : model->graph.weights) weights[weight.name] = model->weights.decoded(weight.name);
    const TrainingBatch batch = make_batch(*model, 10);
    DifferentiableModel changing(executor, with_weights(*model, weights), {.uses_bf16 = uses_bf16});
    const std::vector<float> before = run_in_parts(executor, changing, batch);
    for (auto& [name, weight] : weights) {
      for (int64_t i = 0; i < weight.shape().element_count(); ++i) weight.mutable_floats()[i] *= 1.25F;
    }
    changing.weights_changed();
    DifferentiableModel fresh(executor, with_weights(*model, weights), {.uses_bf16 = uses_bf16});
    const std::vector<float> after = run_in_parts(executor, changing, batch);
    EXPECT_NE(after, before);
    EXPECT_EQ(after, run_in_parts(executor, fresh, batch));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TwoWays,
                         testing::Values("llama", "gemma2", "gpt2", "mixtral", "phi3", "deepseek-dense"),
                         [](const auto& family) {
                           std::string name = family.param;
                           std::erase(name, '-');
                           return name;
                         });

// BF16 keeps eight bits: sums of products differ by some thousandths.
TEST_P(TwoWays, CountingFindsOutWhatIsTaken) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  for (const bool uses_bf16 : {false, true}) {
    for (const auto checkpointing : {ActivationCheckpointing::kNone, ActivationCheckpointing::kLayer}) {
      for (const bool trains_all : {true, false}) {
        DifferentiableOptions options{
            .uses_bf16 = uses_bf16, .checkpointing = checkpointing, .logits_at_once = 4 * model->spec.vocabulary_size};
        if (!trains_all) options.trained = norms_of(*model);
        DifferentiableModel real(executor, model, options);
        options.only_counts = true;
        DifferentiableModel counting(executor, model, options);
        for (const uint64_t seed : {1, 2}) {
          const TrainingBatch batch = make_batch(*model, seed);
          run_in_parts(executor, real, batch);
          counting.forward_body(batch);
          counting.read_logits([](Range, const float*) { FAIL() << "there are none"; });
          counting.backward_body([](Range, float*) { FAIL() << "there are none"; });
          EXPECT_GT(counting.pass_bytes_max(), 0U);
          EXPECT_EQ(counting.pass_bytes_max(), real.pass_bytes_max());
        }
      }
    }
  }
}

TEST_P(TwoWays, InBF16AreNearly) {
  Executor executor(2);
  const auto model = golden_model(GetParam());
  const std::set<std::string> norms = norms_of(*model);
  ASSERT_FALSE(norms.empty());
  DifferentiableModel exact(executor, model, {.trained = norms});
  DifferentiableModel rounded(executor, model, {.trained = norms, .uses_bf16 = true});
  const TrainingBatch batch = make_batch(*model, 5);
  const std::vector<float> expected = run_in_parts(executor, exact, batch);
  const std::vector<float> scores = run_in_parts(executor, rounded, batch);
  bool differs = false;
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(scores[i], expected[i], 0.05);
    differs = differs || scores[i] != expected[i];
  }
  EXPECT_TRUE(differs) << "not in BF16";
  for (const auto& [name, gradient] : exact.gradients()) {
    EXPECT_LE(difference(rounded.gradients().at(name), gradient, 1e-2), 0.1) << name;
  }
}

// Nothing is trained: a reference model only scores.
TEST(DifferentiableModel, ScoresWithoutABackward) {
  Executor executor(2);
  const auto model = golden_model("llama");
  DifferentiableModel scorer(executor, model, {.trained = std::set<std::string>{}});
  DifferentiableModel whole(executor, model);
  const TrainingBatch batch = make_batch(*model, 4);
  const std::span<const float> logits = whole.forward(batch);
  std::vector<float> expected;
  for (size_t row = 0; row < batch.targets.size(); ++row) {
    if (batch.targets[row] == kIgnoredTarget) continue;
    float score = 0;
    target_log_probabilities(executor,
                             {logits.data() + row * static_cast<size_t>(model->spec.vocabulary_size),
                              &batch.targets[row], 1, model->spec.vocabulary_size},
                             &score);
    expected.push_back(score);
  }
  std::vector<int32_t> targets;
  for (const int32_t target : batch.targets) {
    if (target != kIgnoredTarget) targets.push_back(target);
  }
  scorer.forward_body(batch);
  std::vector<float> scores(targets.size());
  scorer.read_logits([&](Range rows, const float* some) {
    target_log_probabilities(
        executor, {some, &targets[static_cast<size_t>(rows.begin)], rows.end - rows.begin, model->spec.vocabulary_size},
        &scores[static_cast<size_t>(rows.begin)]);
  });
  ASSERT_EQ(scores.size(), expected.size());
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected[i], 1e-5);
}

}  // namespace
}  // namespace pelton
