#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pelton {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Scores x · 1 under a cap of 1, as the maximum of a softmax that sees nothing else: tanh x.
std::vector<float> hyperbolic_tangents(Isa isa, const std::vector<float>& x) {
  std::vector<float> block(2 * kAttentionPageTokens, 1.0f);  // keys and values of one dimension
  const auto* bytes = reinterpret_cast<const std::byte*>(block.data());
  std::vector<float> maxima(x.size(), -kInfinity);
  for (size_t i = 0; i < x.size(); ++i) {
    const float* query = &x[i];
    const int64_t visible_count = 1;
    float weights[kAttentionTileTokens];
    float sum = 0;
    float output[padded_head_width(1)] = {};
    attention_kernels(isa).attend_f32({.blocks = &bytes,
                                       .next_blocks = nullptr,
                                       .token_count = 1,
                                       .head_width = 1,
                                       .scale = 1,
                                       .query_count = 1,
                                       .queries = &query,
                                       .int8_queries = nullptr,
                                       .visible_counts = &visible_count,
                                       .score_cap = 1,
                                       .weights = weights,
                                       .state = {&maxima[i], &sum, output}});
  }
  return maxima;
}

TEST(HyperbolicTangent, IsWithinFourUlpFromSubnormalToSaturation) {
  std::vector<float> x;
  for (double value = 1e-41; value < 30; value *= 1.0037) {
    x.push_back(static_cast<float>(value));
    x.push_back(static_cast<float>(-value));
  }
  for (Isa isa : supported_isas()) {
    const std::vector<float> y = hyperbolic_tangents(isa, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = std::tanh(static_cast<double>(x[i]));
      const float magnitude = std::abs(static_cast<float>(expected));
      const double ulp = static_cast<double>(std::nextafter(magnitude, kInfinity)) - static_cast<double>(magnitude);
      ASSERT_LE(std::abs(static_cast<double>(y[i]) - expected), 4 * ulp) << isa_name(isa) << " " << x[i];
      ASSERT_LE(std::abs(y[i]), 1.0f) << isa_name(isa) << " " << x[i];
    }
  }
}

TEST(HyperbolicTangent, KnowsTheSpecialValues) {
  for (Isa isa : supported_isas()) {
    const std::vector<float> y = hyperbolic_tangents(isa, {0.0f, kInfinity, -kInfinity, 1e30f, -1e30f});
    EXPECT_EQ(y, (std::vector<float>{0, 1, -1, 1, -1})) << isa_name(isa);
  }
}

}  // namespace
}  // namespace pelton
