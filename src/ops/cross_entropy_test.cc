#include "ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "ops/gradient_check.h"

namespace pelton {
namespace {

double plain_log_sum_exp(const double* x, size_t count) {
  const double largest = *std::max_element(x, x + count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += std::exp(x[i] - largest);
  return largest + std::log(sum);
}

double plain_cross_entropy(const Doubles& logits, const std::vector<int32_t>& targets) {
  const size_t width = logits.size() / targets.size();
  double sum = 0;
  int count = 0;
  for (size_t row = 0; row < targets.size(); ++row) {
    if (targets[row] == kIgnoredTarget) continue;
    const double* x = logits.data() + row * width;
    sum += plain_log_sum_exp(x, width) - x[targets[row]];
    ++count;
  }
  return sum / count;
}

TEST(CrossEntropy, LossAndGradientAreThoseOfTheDefinition) {
  Executor executor(2);
  const std::vector<int32_t> targets = {4, kIgnoredTarget, 0, 36, 36};
  Rng rng(1);
  std::vector<float> logits = random_floats(rng, 5 * 37, 8);
  const auto loss = [&](const Doubles& at) { return plain_cross_entropy(at, targets); };
  const Doubles at = to_doubles(logits);
  std::vector<float> d_logits(logits.size());
  // Exponentials within 2 ulp, summed in float in blocks.
  const double got = cross_entropy(executor, logits.data(), targets.data(), 5, 37, d_logits.data());
  EXPECT_NEAR(got, loss(at), loss(at) * 0x1p-20);
  EXPECT_LE(gradient_error(d_logits, loss, at), 0x1p-20);
  EXPECT_EQ(cross_entropy(executor, logits.data(), targets.data(), 5, 37, nullptr), got);
  cross_entropy(executor, logits.data(), targets.data(), 5, 37, logits.data());
  EXPECT_EQ(logits, d_logits) << "in place";
}

TEST(CrossEntropy, LargeVocabularyAndLargeLogitsKeepTheirDigits) {
  constexpr int64_t kVocabulary = 256000;
  Rng rng(2);
  std::vector<float> logits = random_floats(rng, 3 * kVocabulary, 5);
  for (float& x : logits) x += 300;  // e^300 would overflow
  const std::vector<int32_t> targets = {0, 255999, 1234};
  const double expected = plain_cross_entropy(to_doubles(logits), targets);
  std::vector<std::vector<float>> gradients;
  for (int threads : {1, 2, 3}) {
    Executor executor(threads);
    std::vector<float> d_logits(logits.size());
    // Relative error of the sum: 1024 positive terms a block, below 64 · 2^-24 on a lane; its logarithm adds it up.
    EXPECT_NEAR(cross_entropy(executor, logits.data(), targets.data(), 3, kVocabulary, d_logits.data()), expected,
                64 * 0x1p-24);
    gradients.push_back(d_logits);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  EXPECT_EQ(gradients[0], gradients[2]);
  for (size_t row = 0; row < 3; ++row) {
    const auto begin = gradients[0].begin() + static_cast<ptrdiff_t>(row) * kVocabulary;
    EXPECT_NEAR(std::accumulate(begin, begin + kVocabulary, 0.0), 0, 1e-6) << "a softmax's gradients cancel";
  }
}

TEST(CrossEntropy, NoTargetsAtAll) {
  Executor executor(1);
  const std::vector<float> logits = {1, 2, 3, 4};
  const std::vector<int32_t> targets = {kIgnoredTarget, kIgnoredTarget};
  std::vector<float> d_logits(4, 7.0f);
  EXPECT_EQ(cross_entropy(executor, logits.data(), targets.data(), 2, 2, d_logits.data()), 0);
  EXPECT_EQ(d_logits, std::vector<float>(4, 0.0f));
  EXPECT_EQ(cross_entropy(executor, logits.data(), targets.data(), 0, 2, d_logits.data()), 0);
}

TEST(LogSoftmax, IsWhatTheDefinitionSays) {
  for (int64_t count : {1, 31, 49152}) {
    Rng rng(3);
    std::vector<float> logits = random_floats(rng, count, 20);
    if (count > 1) logits[0] = -std::numeric_limits<float>::infinity();  // masked by a grammar
    Doubles expected = to_doubles(logits);
    const double shift = plain_log_sum_exp(expected.data(), expected.size());
    for (double& value : expected) value -= shift;
    std::vector<float> out(logits.size());
    log_softmax(logits.data(), count, out.data());
    log_softmax(logits.data(), count, logits.data());
    EXPECT_EQ(out, logits) << "in place";
    if (count > 1) {
      EXPECT_EQ(out[0], -std::numeric_limits<float>::infinity());
    }
    // The shift and the result, of magnitude below 64, are rounded once each.
    for (size_t i = count > 1; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], 64 * 0x1p-23);
  }
}

}  // namespace
}  // namespace pelton
