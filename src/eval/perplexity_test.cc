#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pelton {
namespace {

Perplexity perplexity_of(std::initializer_list<double> nlls) {
  PerplexityAccumulator accumulator;
  for (const double nll : nlls) accumulator.add(nll);
  return accumulator.result();
}

TEST(Perplexity, OfNumbersByHand) {
  // Mean 2; squared deviations 1 + 0 + 1 + 0 = 2; variance 2 / 3; standard error of the mean √(2 / 3 / 4) = 0.408248.
  const Perplexity perplexity = perplexity_of({1, 2, 3, 2});
  EXPECT_EQ(perplexity.token_count, 4);
  EXPECT_DOUBLE_EQ(perplexity.mean_nll, 2);
  EXPECT_DOUBLE_EQ(perplexity.value, std::exp(2.0));
  EXPECT_NEAR(perplexity.standard_error, 7.389056 * 0.408248, 1e-5);
}

TEST(Perplexity, OfAFairChoiceIsTheNumberOfChoices) {
  const Perplexity perplexity = perplexity_of({std::log(8.0), std::log(8.0), std::log(8.0)});
  EXPECT_NEAR(perplexity.value, 8, 1e-12);
  EXPECT_NEAR(perplexity.standard_error, 0, 1e-7);
}

// Σx² - (Σx)²/n would lose all digits here.
TEST(Perplexity, SmallSpreadAroundALargeMean) {
  const Perplexity perplexity = perplexity_of({300 + 1e-6, 300 - 1e-6});
  EXPECT_NEAR(perplexity.standard_error / perplexity.value, 1e-6, 1e-11);
}

TEST(Perplexity, MoreThanADoubleHoldsIsInfinite) { EXPECT_TRUE(std::isinf(perplexity_of({2000, 2000}).value)); }

TEST(PerplexityDeathTest, OfOneTokenHasNoError) {
  PerplexityAccumulator accumulator;
  accumulator.add(1);
  EXPECT_DEATH(accumulator.result(), "token_count_");
}

TEST(BitsPerByte, OfNumbersByHand) {
  // 3 tokens of 3 bits each for 9 bytes.
  const Perplexity perplexity = perplexity_of({std::log(8.0), std::log(8.0), std::log(8.0)});
  EXPECT_NEAR(bits_per_byte(perplexity, 9), 1, 1e-12);
  EXPECT_NEAR(bits_per_byte(perplexity, 18), 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(bits_per_byte(perplexity, 0)));
}

}  // namespace
}  // namespace pelton
