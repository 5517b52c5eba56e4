#include "model/rope_scaling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace pelton {
namespace {

RopeScaling scaling_of(std::string type) {
  RopeScaling scaling;
  scaling.type = std::move(type);
  scaling.theta = 10000;
  scaling.rotated_width = 8;
  scaling.factor = 4;
  scaling.original_context_length = 32;
  return scaling;
}

TEST(RopeScaling, DefaultIsGeometric) {
  const RopeParameters rope = rope_parameters(scaling_of("default"));
  ASSERT_EQ(rope.inverse_frequencies.size(), 4u);
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[0], 1.0f);
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[1], 0.1f);
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[3], 0.001f);
  EXPECT_EQ(rope.magnitude, 1.0f);
}

TEST(RopeScaling, LinearDividesAll) {
  const RopeParameters rope = rope_parameters(scaling_of("linear"));
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[0], 0.25f);
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[2], 0.0025f);
}

TEST(RopeScaling, Llama3KeepsShortWavesAndStretchesLongOnes) {
  const RopeParameters rope = rope_parameters(scaling_of("llama3"));
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[0], 1.0f);        // 5.1 turns in 32 positions: kept
  EXPECT_FLOAT_EQ(rope.inverse_frequencies[3], 0.001f / 4);  // 0.005 turns: stretched
}

TEST(RopeScaling, YarnScalesMagnitude) {
  RopeScaling scaling = scaling_of("yarn");
  EXPECT_NEAR(rope_parameters(scaling).magnitude, 0.1 * std::log(4.0) + 1, 1e-6);
  scaling.attention_factor = 1.25;
  EXPECT_FLOAT_EQ(rope_parameters(scaling).magnitude, 1.25f);
  scaling.attention_factor.reset();
  scaling.factor = 1;
  EXPECT_FLOAT_EQ(rope_parameters(scaling).magnitude, 1.0f);
}

TEST(RopeScaling, RefusesUnknownByName) {
  try {
    rope_parameters(scaling_of("magic"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("magic"), std::string::npos);
  }
}

// At three times the original context of 32: θ · (4 · 3 - 3)^(8 / 6).
TEST(RopeScaling, DynamicBaseGrowsWithTheLength) {
  const RopeParameters rope = rope_parameters(scaling_of("dynamic"));
  const RopeParameters plain = rope_parameters(scaling_of("default"));
  EXPECT_EQ(rope.inverse_frequencies, plain.inverse_frequencies);
  EXPECT_EQ(rope.for_length(32).inverse_frequencies, plain.inverse_frequencies);
  const RopeParameters grown = rope.for_length(96);
  const double theta = 10000 * std::pow(9.0, 8.0 / 6);
  ASSERT_EQ(grown.inverse_frequencies.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(grown.inverse_frequencies[i] / std::pow(theta, -2.0 * static_cast<double>(i) / 8), 1, 1e-6) << i;
  }
  EXPECT_FALSE(grown.growth);
}

TEST(RopeScaling, ProportionalStopsTheLastPairs) {
  RopeScaling scaling = scaling_of("proportional");
  scaling.factor.reset();
  scaling.rotated_share = 0.5;
  const RopeParameters plain = rope_parameters(scaling_of("default"));
  const RopeParameters rope = rope_parameters(scaling);
  EXPECT_EQ(rope.inverse_frequencies,
            (std::vector<float>{plain.inverse_frequencies[0], plain.inverse_frequencies[1], 0, 0}));
}

// Llama 3.1 and 3.2's parameters, the golden model's, and some with other bounds: what is read back out of the
// frequencies gives the same frequencies.
TEST(RopeScaling, Llama3ParametersAreReadBackFromTheirTable) {
  struct Case {
    int64_t width;
    double theta, factor, low, high;
    int64_t context;
  };
  for (const Case& given :
       {Case{128, 500000, 8, 1, 4, 8192}, Case{64, 500000, 32, 1, 4, 8192}, Case{16, 500000, 8, 1, 4, 32},
        Case{64, 10000, 4, 2, 5, 4096}, Case{4, 10000, 8, 1, 4, 64}, Case{128, 500000, 6.5, 1, 8, 1000}}) {
    RopeScaling scaling;
    scaling.type = "llama3";
    scaling.rotated_width = given.width;
    scaling.theta = given.theta;
    scaling.factor = given.factor;
    scaling.low_frequency_factor = given.low;
    scaling.high_frequency_factor = given.high;
    scaling.original_context_length = given.context;
    const RopeParameters expected = rope_parameters(scaling);
    RopeScaling plain;
    plain.rotated_width = given.width;
    plain.theta = given.theta;
    const auto fitted = fit_llama3(plain, expected.inverse_frequencies);
    ASSERT_TRUE(fitted) << given.width << " " << given.factor;
    const RopeParameters got = rope_parameters(*fitted);
    for (size_t i = 0; i < expected.inverse_frequencies.size(); ++i) {
      EXPECT_NEAR(got.inverse_frequencies[i] / expected.inverse_frequencies[i], 1, 1e-5) << i;
    }
    EXPECT_EQ(fitted->factor, given.factor);
    if (given.low == 1 && given.high == 4 && given.width >= 64) {
      EXPECT_EQ(fitted->original_context_length, given.context);
    }
  }
}

TEST(RopeScaling, OtherTablesAreNotLlama3s) {
  RopeScaling plain;
  plain.rotated_width = 16;
  std::vector<float> frequencies = rope_parameters(plain).inverse_frequencies;
  EXPECT_EQ(fit_llama3(plain, frequencies), std::nullopt);  // no stretch at all
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= i % 2 == 0 ? 1.0f : 3.0f;
  EXPECT_EQ(fit_llama3(plain, frequencies), std::nullopt);
  frequencies.pop_back();
  EXPECT_EQ(fit_llama3(plain, frequencies), std::nullopt);
}

}  // namespace
}  // namespace pelton
