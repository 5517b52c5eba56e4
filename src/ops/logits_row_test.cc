#include "ops/logits_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "base/rng.h"

namespace pelton {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Sizes around lanes (16) and blocks (1024).
const std::vector<size_t> kSizes{1, 2, 15, 16, 17, 1000, 1023, 1024, 1025, 1039, 3000};

// Few different values, so that ties are common.
std::vector<float> random_row(size_t size, Rng& rng) {
  std::vector<float> row(size);
  for (float& value : row) value = std::round(rng.next_symmetric() * 40) / 4;
  return row;
}

TEST(FindPeak, IsTheFirstMaximum) {
  Rng rng(1);
  for (const size_t size : kSizes) {
    const std::vector<float> row = random_row(size, rng);
    const auto expected = std::max_element(row.begin(), row.end());
    const auto peak = find_peak(row);
    ASSERT_TRUE(peak.has_value());
    EXPECT_EQ(peak->index, expected - row.begin()) << "size " << size;
    EXPECT_EQ(peak->value, *expected);
  }
}

TEST(FindPeak, RefusesWhatIsNotFiniteWhereverItStands) {
  for (const size_t size : kSizes) {
    for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
      for (const size_t place : {size_t{0}, size / 2, size - 1}) {
        std::vector<float> row(size, 1.0f);
        row[place] = bad;
        EXPECT_FALSE(find_peak(row).has_value()) << bad << " at " << place << " of " << size;
      }
    }
  }
}

TEST(FindPeak, TakesTheLargestFiniteValues) {
  const float max = std::numeric_limits<float>::max();
  EXPECT_EQ(find_peak(std::vector<float>{-max, max, 0.0f})->index, 1);
  EXPECT_EQ(find_peak(std::vector<float>{-max})->value, -max);
}

TEST(SelectLargest, EqualsAStableSort) {
  Rng rng(2);
  std::vector<float> buffer;
  std::vector<int32_t> indices;
  for (const size_t size : kSizes) {
    const std::vector<float> row = random_row(size, rng);
    std::vector<int32_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    for (const size_t count : {size_t{1}, size_t{2}, size_t{20}, size / 3, size - 1, size}) {
      if (count < 1 || count > size) continue;
      std::vector<int32_t> expected(order.begin(), order.begin() + static_cast<int64_t>(count));
      std::sort(expected.begin(), expected.end());
      select_largest(row, static_cast<int64_t>(count), buffer, indices);
      EXPECT_EQ(indices, expected) << count << " of " << size;
    }
  }
}

TEST(SelectLargest, HandlesRowsOfEqualValues) {
  std::vector<float> buffer;
  std::vector<int32_t> indices;
  select_largest(std::vector<float>(5000, 7.0f), 3, buffer, indices);
  EXPECT_EQ(indices, (std::vector<int32_t>{0, 1, 2}));
}

TEST(Weights, AgreeWithTheExponentialFunction) {
  std::vector<float> logits;
  for (int i = 0; i <= 8600; ++i) logits.push_back(static_cast<float>(-i) / 100);
  Weights weights;
  weights.assign(logits, 0, 1);
  EXPECT_EQ(weights.values()[0], 1.0f);
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double expected = std::exp(static_cast<double>(logits[i]));
    EXPECT_NEAR(weights.values()[i] / expected, 1, 1e-6) << logits[i];
    total += expected;
  }
  EXPECT_NEAR(weights.total() / total, 1, 1e-6);
}

TEST(Weights, OfHopelessTokensAreZero) {
  Weights weights;
  const float max = std::numeric_limits<float>::max();
  weights.assign(std::vector<float>{max, -max, max - 1e35f}, max, max);
  EXPECT_EQ(weights.values()[0], 1.0f);
  EXPECT_EQ(weights.values()[1], 0.0f);
  EXPECT_EQ(weights.values()[2], 0.0f);
  EXPECT_EQ(weights.draw(0.999999), 0);
}

TEST(Weights, DrawFollowsTheRunningSum) {
  Rng rng(3);
  Weights weights;
  for (const size_t size : kSizes) {
    std::vector<float> logits(size);
    for (float& logit : logits) logit = rng.next_symmetric() * 10;
    weights.assign(logits, *std::max_element(logits.begin(), logits.end()), 1);
    std::vector<double> running(size);
    std::partial_sum(weights.values().begin(), weights.values().end(), running.begin(), std::plus<double>());
    for (int i = 0; i < 200; ++i) {
      const double uniform = rng.next_double();
      const double target = uniform * running.back();
      const auto expected = std::upper_bound(running.begin(), running.end(), target) - running.begin();
      const int64_t drawn = weights.draw(uniform);
      if (drawn == expected) continue;
      // Rounding may move a target that lies at a boundary, and no other.
      const double boundary = running[static_cast<size_t>(std::min<int64_t>(drawn, expected))];
      EXPECT_NEAR(target, boundary, 1e-6 * running.back()) << "size " << size;
    }
    EXPECT_LT(weights.draw(std::nextafter(1.0, 0.0)), static_cast<int64_t>(size));
  }
}

TEST(LogSumExp, AgreesWithThePlainFormula) {
  Rng rng(4);
  for (const size_t size : kSizes) {
    const std::vector<float> row = random_row(size, rng);
    double sum = 0;
    for (const float value : row) sum += std::exp(static_cast<double>(value));
    EXPECT_NEAR(log_sum_exp(row, *std::max_element(row.begin(), row.end())), std::log(sum), 1e-6);
  }
}

}  // namespace
}  // namespace pelton
