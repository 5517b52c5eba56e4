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
    rope_parameters(scaling_of("dynamic"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("dynamic"), std::string::npos);
  }
}

}  // namespace
}  // namespace pelton
