// Objectives against their papers' formulas, and their gradients against finite differences.
#include "train/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace pelton {
namespace {

// Log-probabilities of tokens: of each example one sequence, or chosen and rejected.
using Scores = std::vector<std::vector<std::vector<float>>>;

struct Result {
  double loss;
  Scores gradient;
  ObjectiveMetrics metrics;
};

// For those that want them: the model has moved by (0.5 + 0.25) / 2 in general.
const std::vector<std::vector<float>> kMismatched = {{-4.0F, -1.0F}, {-2.0F}};
const std::vector<std::vector<float>> kMismatchedReference = {{-4.5F, -1.0F}, {-2.25F}};

Result run(std::string_view name, const ObjectiveOptions& options, const Scores& policy, const Scores& reference) {
  const auto objective = find_objective(name).make(options);
  Result result{0, policy, {}};
  std::vector<ScoredExample> examples(policy.size());
  StepTotals totals{static_cast<int64_t>(policy.size()), 0};
  for (size_t i = 0; i < policy.size(); ++i) {
    for (size_t s = 0; s < policy[i].size(); ++s) {
      totals.learnt_count += static_cast<int64_t>(policy[i][s].size());
      std::fill(result.gradient[i][s].begin(), result.gradient[i][s].end(), NAN);
      SequenceScores& scores = examples[i].sequences.emplace_back();
      scores.policy = policy[i][s];
      if (objective->needs_reference()) scores.reference = reference[i][s];
      scores.d_policy = result.gradient[i][s];
    }
    if (objective->shape() == ExampleShape::kLabelled) examples[i].is_desirable = i == 0;
    if (objective->needs_mismatched()) {
      examples[i].mismatched.policy = kMismatched[i];
      examples[i].mismatched.reference = kMismatchedReference[i];
    }
  }
  result.loss = objective->loss(examples, totals, result.metrics);
  return result;
}

const Scores kPolicy = {{{-1.5F, -0.25F, -2.0F}, {-3.0F, -0.5F}}, {{-0.75F}, {-0.125F, -0.5F, -0.25F}}};
const Scores kReference = {{{-1.0F, -0.5F, -2.5F}, {-2.5F, -1.0F}}, {{-1.25F}, {-0.375F, -0.5F, -0.5F}}};
// Of the two pairs: (chosen - its reference) - (rejected - its reference).
constexpr double kMargins[] = {(-3.75 + 4.0) - (-3.5 + 3.5), (-0.75 + 1.25) - (-0.875 + 1.375)};

double logistic(double x) { return std::log(1 + std::exp(-x)); }

TEST(Objective, SftIsTheMeanOverTokens) {
  const Scores policy = {{{-1, -2, -3}}, {{-4}}};
  const Result result = run("sft", {}, policy, {});
  EXPECT_DOUBLE_EQ(result.loss, 2.5);
  EXPECT_THAT(result.gradient[0][0], testing::Each(-0.25F));
  EXPECT_THAT(result.gradient[1][0], testing::Each(-0.25F));
}

TEST(Objective, DpoIsItsPapersLoss) {
  const ObjectiveOptions options{.beta = 0.3};
  const Result result = run("dpo", options, kPolicy, kReference);
  EXPECT_NEAR(result.loss, (logistic(0.3 * kMargins[0]) + logistic(0.3 * kMargins[1])) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(result.metrics.at("margin"), 0.3 * (kMargins[0] + kMargins[1]) / 2);
  EXPECT_DOUBLE_EQ(result.metrics.at("accuracy"), 0.5);
}

TEST(Objective, LabelSmoothingMixesBothWays) {
  const Result result = run("dpo", {.beta = 0.3, .label_smoothing = 0.2}, kPolicy, kReference);
  double expected = 0;
  for (const double margin : kMargins) expected += (0.8 * logistic(0.3 * margin) + 0.2 * logistic(-0.3 * margin)) / 2;
  EXPECT_NEAR(result.loss, expected, 1e-12);
}

TEST(Objective, RobustDpoIsUnbiased) {
  const Result result = run("dpo_robust", {.beta = 0.3, .label_smoothing = 0.2}, kPolicy, kReference);
  double expected = 0;
  for (const double margin : kMargins) {
    expected += (0.8 * logistic(0.3 * margin) - 0.2 * logistic(-0.3 * margin)) / 0.6 / 2;
  }
  EXPECT_NEAR(result.loss, expected, 1e-12);
  EXPECT_THROW(find_objective("dpo_robust").make({.label_smoothing = 0.5}), Error);
}

TEST(Objective, HingeIsZeroBeyondTheMargin) {
  const Result near = run("dpo_hinge", {.beta = 0.3}, kPolicy, kReference);
  EXPECT_NEAR(near.loss, ((1 - 0.3 * kMargins[0]) + (1 - 0.3 * kMargins[1])) / 2, 1e-12);
  const Result far = run("dpo_hinge", {.beta = 100}, {kPolicy[0]}, {kReference[0]});
  EXPECT_EQ(far.loss, 0);
  EXPECT_THAT(far.gradient[0][0], testing::Each(0.0F));
}

TEST(Objective, IpoWantsAMarginOfMeans) {
  const double first = (-3.75 + 4.0) / 3 - (-3.5 + 3.5) / 2;
  const double second = 0.5 - (-0.875 + 1.375) / 3;
  const Result result = run("ipo", {.beta = 0.5}, kPolicy, kReference);
  EXPECT_NEAR(result.loss, ((first - 1) * (first - 1) + (second - 1) * (second - 1)) / 2, 1e-12);
}

TEST(Objective, SimPoAsksForAMarginWithoutAReference) {
  const double first = 2 * (-3.75 / 3 + 3.5 / 2) - 0.5;
  const double second = 2 * (-0.75 + 0.875 / 3) - 0.5;
  const Result result = run("simpo", {.beta = 2, .margin = 0.5}, kPolicy, {});
  EXPECT_NEAR(result.loss, (logistic(first) + logistic(second)) / 2, 1e-12);
}

TEST(Objective, OrpoIsLikelihoodAndOddsRatio) {
  double expected = 0;
  const double means[2][2] = {{-3.75 / 3, -3.5 / 2}, {-0.75, -0.875 / 3}};
  for (const auto& [chosen, rejected] : means) {
    const double odds_chosen = std::exp(chosen) / (1 - std::exp(chosen));
    const double odds_rejected = std::exp(rejected) / (1 - std::exp(rejected));
    expected += (-chosen + 0.1 * logistic(std::log(odds_chosen / odds_rejected))) / 2;
  }
  EXPECT_NEAR(run("orpo", {.beta = 0.1}, kPolicy, {}).loss, expected, 1e-12);
}

TEST(Objective, KtoCountsFromWhereTheModelStands) {
  const Scores policy = {{kPolicy[0][0]}, {kPolicy[1][0]}};
  const Scores reference = {{kReference[0][0]}, {kReference[1][0]}};
  const ObjectiveOptions options{.beta = 0.3, .desirable_weight = 2, .undesirable_weight = 0.5};
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double good = 2 * (1 - sigmoid(0.3 * (0.25 - 0.375)));
  const double bad = 0.5 * (1 - sigmoid(0.3 * (0.375 - 0.5)));
  EXPECT_NEAR(run("kto", options, policy, reference).loss, (good + bad) / 2, 1e-12);
}

TEST(Objective, GradientsAreTheDerivatives) {
  for (const ObjectiveKind& kind : objective_kinds()) {
    SCOPED_TRACE(kind.name);
    const ObjectiveOptions options{.beta = 0.4, .label_smoothing = 0.1};
    const bool is_pair = kind.make(options)->shape() == ExampleShape::kPair;
    Scores policy = kPolicy, reference = kReference;
    if (!is_pair) {
      for (Scores* scores : {&policy, &reference}) {
        for (auto& example : *scores) example.resize(1);
      }
    }
    const Result result = run(kind.name, options, policy, reference);
    for (size_t i = 0; i < policy.size(); ++i) {
      for (size_t s = 0; s < policy[i].size(); ++s) {
        for (size_t t = 0; t < policy[i][s].size(); ++t) {
          constexpr float kStep = 0x1p-10F;  // exact beside the scores, which are multiples of it
          Scores moved = policy;
          moved[i][s][t] += kStep;
          const double above = run(kind.name, options, moved, reference).loss;
          moved[i][s][t] -= 2 * kStep;
          const double below = run(kind.name, options, moved, reference).loss;
          // The error of central differences is of the order of the step's square.
          EXPECT_NEAR(result.gradient[i][s][t], (above - below) / (2 * double{kStep}), 1e-5) << i << s << t;
        }
      }
    }
  }
}

TEST(Objective, UnknownNamesAreRefusedWithTheKnownOnes) {
  try {
    find_objective("ppo");
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr("dpo"));
  }
}

}  // namespace
}  // namespace pelton
