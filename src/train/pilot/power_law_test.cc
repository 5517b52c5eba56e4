#include "train/pilot/power_law.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace pelton {
namespace {

constexpr int64_t kSizes[] = {12, 25, 50, 100};

// Three points a size, with noise of that amplitude, evenly spread.
std::vector<CurvePoint> points_of(const PowerLaw& law, double noise, uint64_t seed) {
  Rng rng(seed);
  std::vector<CurvePoint> points;
  for (const int64_t size : kSizes) {
    for (int i = 0; i < 3; ++i) {
      points.push_back({size, law.at(static_cast<double>(size)) + noise * static_cast<double>(rng.next_symmetric())});
    }
  }
  return points;
}

TEST(PowerLaw, IsFoundInPointsWithoutNoise) {
  for (const PowerLaw law : {PowerLaw{0.8, 3, 0.5}, PowerLaw{1.5, 0.7, 0.2}, PowerLaw{0.1, 40, 1.5}}) {
    const auto fit = fit_power_law(points_of(law, 0, 0));
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->law.a, law.a, 1e-4);
    EXPECT_NEAR(fit->law.b, law.b, 1e-3 * law.b);
    EXPECT_NEAR(fit->law.c, law.c, 1e-4);
    EXPECT_NEAR(fit->explained, 1, 1e-9);
    EXPECT_NEAR(fit->residual_rms, 0, 1e-6);
  }
}

TEST(PowerLaw, IsFoundInNoisyPoints) {
  const PowerLaw law{0.8, 3, 0.5};  // from 1.67 to 1.1
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const auto fit = fit_power_law(points_of(law, 0.02, seed));
    ASSERT_TRUE(fit);
    EXPECT_GT(fit->explained, 0.98);
    EXPECT_LT(fit->residual_rms, 0.02);
    // What it is for. Over 12 points of such noise a, b and c may trade against each other; the curve may not.
    EXPECT_NEAR(fit->law.at(50), law.at(50), 0.02);
    EXPECT_NEAR(fit->law.at(200), law.at(200), 0.06);
    EXPECT_NEAR(fit->law.at(1000), law.at(1000), 0.2);
  }
}

TEST(PowerLaw, NoOtherLawIsNearer) {
  const std::vector<CurvePoint> points = points_of({0.8, 3, 0.5}, 0.1, 7);
  const auto fit = fit_power_law(points);
  ASSERT_TRUE(fit);
  const auto error_of = [&](const PowerLaw& law) {
    double sum = 0;
    for (const CurvePoint& point : points) sum += std::pow(point.loss - law.at(static_cast<double>(point.size)), 2);
    return sum;
  };
  const double least = error_of(fit->law);
  for (const double factor : {0.9, 0.999, 1.001, 1.1}) {
    const PowerLaw law = fit->law;
    EXPECT_GE(error_of({law.a * factor, law.b, law.c}), least);
    EXPECT_GE(error_of({law.a, law.b * factor, law.c}), least);
    EXPECT_GE(error_of({law.a, law.b, law.c * factor}), least);
  }
}

TEST(PowerLaw, OfFlatDataIsTheirLevel) {
  const auto fit = fit_power_law(points_of({1.25, 0, 1}, 0, 0));
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->law.at(1000), 1.25, 1e-9);
  EXPECT_EQ(fit->explained, 0);
}

TEST(PowerLaw, DoesNotRise) {
  const auto fit = fit_power_law(std::vector<CurvePoint>{{10, 1}, {20, 1.5}, {40, 2}});
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->law.b, 0);
  EXPECT_NEAR(fit->law.at(80), 1.5, 1e-12);
  EXPECT_EQ(fit->explained, 0);
}

TEST(PowerLaw, DoesNotFallBelowZero) {
  // A straight line in the logarithm, which would cross zero.
  const auto fit = fit_power_law(std::vector<CurvePoint>{{10, 3}, {20, 2}, {40, 1}, {80, 0.05}});
  ASSERT_TRUE(fit);
  EXPECT_GE(fit->law.a, 0);
  EXPECT_GT(fit->law.at(1e6), 0);
}

TEST(PowerLaw, NeedsThreeSizes) {
  EXPECT_FALSE(fit_power_law({}));
  EXPECT_FALSE(fit_power_law(std::vector<CurvePoint>{{10, 2}, {20, 1}}));
  EXPECT_FALSE(fit_power_law(std::vector<CurvePoint>{{10, 2}, {10, 3}, {20, 1}, {20, 1}}));
  EXPECT_TRUE(fit_power_law(std::vector<CurvePoint>{{10, 2}, {20, 1}, {40, 0.75}}));
}

}  // namespace
}  // namespace pelton
