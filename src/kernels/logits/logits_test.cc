#include "kernels/logits/logits.h"

#include <gtest/gtest.h>

#include <limits>

namespace pelton {
namespace {

TEST(Logits, WhatIsNotFiniteIsFoundWhereverItStands) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(isa_name(isa));
    for (const size_t count : {1, 8, 15, 16, 17, 40}) {
      std::vector<float> x(count, -std::numeric_limits<float>::max());
      EXPECT_TRUE(logits_kernels(isa).range(x.data(), static_cast<int64_t>(count)).is_finite);
      for (size_t place = 0; place < count; ++place) {
        for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
          x[place] = bad;
          EXPECT_FALSE(logits_kernels(isa).range(x.data(), static_cast<int64_t>(count)).is_finite)
              << bad << " at " << place << " of " << count;
        }
        x[place] = std::numeric_limits<float>::max();
      }
    }
  }
}

TEST(Logits, NoNumberIsAtLeastAnything) {
  const std::vector<float> x(20, std::numeric_limits<float>::quiet_NaN());
  std::vector<int32_t> indices(x.size());
  for (const Isa isa : supported_isas()) {
    const float lowest = -std::numeric_limits<float>::infinity();
    EXPECT_EQ(logits_kernels(isa).at_least(x.data(), lowest, 20, indices.data()), 0) << isa_name(isa);
  }
}

// A temperature near zero: exponents overflow to minus infinity.
TEST(Logits, HopelessOnesWeighNothing) {
  constexpr float kMax = std::numeric_limits<float>::max();
  std::vector<float> x(19, -kMax);
  x[3] = kMax;
  std::vector<float> weights(x.size());
  for (const Isa isa : supported_isas()) {
    EXPECT_EQ(logits_kernels(isa).weigh(x.data(), kMax, kMax, 19, weights.data()), 1.0) << isa_name(isa);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(weights[i], i == 3 ? 1.0f : 0.0f) << isa_name(isa);
  }
}

}  // namespace
}  // namespace pelton
