#include "eval/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace pelton {
namespace {

NextTokenDistribution distribution(const std::vector<float>& logits) {
  return NextTokenDistribution::of(logits).value();
}

Divergence divergence(const std::vector<float>& reference, const std::vector<float>& model) {
  DivergenceAccumulator accumulator;
  accumulator.add(distribution(reference), distribution(model));
  return accumulator.result();
}

std::vector<float> logarithms(std::initializer_list<double> values) {
  std::vector<float> logits;
  for (const double value : values) logits.push_back(static_cast<float>(std::log(value)));
  return logits;
}

TEST(NextTokenDistribution, OfNumbersByHand) {
  const std::vector<float> logits = logarithms({1, 5, 2});
  const NextTokenDistribution row = distribution(logits);
  EXPECT_EQ(row.most_likely(), 1);
  EXPECT_NEAR(row.nll(1), std::log(8.0 / 5), 1e-6);
  EXPECT_NEAR(row.nll(0), std::log(8.0), 1e-6);
}

TEST(NextTokenDistribution, NeedsFiniteLogits) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    EXPECT_FALSE(NextTokenDistribution::of(std::vector<float>{0, bad, 1})) << bad;
  }
}

TEST(Divergence, OfNumbersByHand) {
  // ½ ln(½ / ¼) + ½ ln(½ / ¾) = ½ ln 2 - ½ ln 1.5 = 0.143841.
  EXPECT_NEAR(divergence(logarithms({1, 1}), logarithms({1, 3})).mean, 0.143841, 1e-6);
  // The other way: ¼ ln ½ + ¾ ln 1.5 = 0.130812.
  EXPECT_NEAR(divergence(logarithms({1, 3}), logarithms({1, 1})).mean, 0.130812, 1e-6);
}

TEST(Divergence, IgnoresWhatSoftmaxIgnores) {
  std::vector<float> logits = logarithms({4, 1, 2, 7});
  std::vector<float> shifted = logits;
  for (float& logit : shifted) logit += 3;
  const Divergence same = divergence(logits, shifted);
  EXPECT_NEAR(same.mean, 0, 1e-6);
  EXPECT_GE(same.mean, 0);
  EXPECT_EQ(same.top1_agreement, 1);
}

// A vocabulary that is no multiple of the lanes, against the definition in double.
TEST(Divergence, IsThatOfTheDefinition) {
  constexpr uint64_t kSeed = 7;
  Rng rng(kSeed);
  std::vector<float> reference(5003);
  std::vector<float> model(reference.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    reference[i] = 10 * rng.next_symmetric();
    model[i] = reference[i] + 0.1f * rng.next_symmetric();
  }
  double reference_sum = 0;
  double model_sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    reference_sum += std::exp(static_cast<double>(reference[i]));
    model_sum += std::exp(static_cast<double>(model[i]));
  }
  double expected = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double p = std::exp(static_cast<double>(reference[i])) / reference_sum;
    expected += p * std::log(p / (std::exp(static_cast<double>(model[i])) / model_sum));
  }
  // Both sums of exponentials carry a relative error below 1e-6 (ops/logits_row.h), so their logarithms 1e-6 each.
  EXPECT_NEAR(divergence(reference, model).mean, expected, 2e-6) << "seed " << kSeed;
  EXPECT_GT(expected, 1e-4);
}

TEST(Divergence, AddsUpPositions) {
  DivergenceAccumulator accumulator;
  const std::vector<float> fair = logarithms({1, 1.000001});
  const std::vector<float> skewed = logarithms({3, 1});
  accumulator.add(distribution(fair), distribution(fair));
  accumulator.add(distribution(fair), distribution(fair));
  accumulator.add(distribution(fair), distribution(skewed));
  accumulator.add(distribution(fair), distribution(fair));
  const Divergence result = accumulator.result();
  EXPECT_EQ(result.token_count, 4);
  EXPECT_NEAR(result.mean, 0.143841 / 4, 1e-6);
  EXPECT_NEAR(result.median, 0, 1e-12);
  EXPECT_NEAR(result.max, 0.143841, 1e-6);
  EXPECT_NEAR(result.p99, 0.97 * 0.143841, 1e-6);  // rank 0.99 · 3 = 2.97, between 0 and the maximum
  EXPECT_DOUBLE_EQ(result.top1_agreement, 0.75);
}

TEST(Quantile, OfNumbersByHand) {
  std::vector<double> values = {40, 10, 30, 20};
  EXPECT_EQ(quantile(values, 0), 10);
  EXPECT_EQ(quantile(values, 0.5), 25);
  EXPECT_EQ(quantile(values, 1), 40);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 17.5);
  std::vector<double> one = {5};
  EXPECT_EQ(quantile(one, 0.99), 5);
}

TEST(DivergenceDeathTest, NeedsOneVocabulary) {
  EXPECT_DEATH(divergence({1, 2}, {1, 2, 3}), "size");
  EXPECT_DEATH(DivergenceAccumulator().result(), "empty");
}

}  // namespace
}  // namespace pelton
