#include "kernels/softmax/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pelton {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> exponentials(Isa isa, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  softmax_kernels(isa).scaled_exp(x.data(), 0.0f, 1.0f, static_cast<int64_t>(x.size()), y.data());
  return y;
}

TEST(Exponential, IsWithinTwoUlpFromSubnormalToOverflow) {
  std::vector<float> x;
  for (double value = -104; value < 89; value += 0.000917) x.push_back(static_cast<float>(value));
  for (Isa isa : supported_isas()) {
    const std::vector<float> y = exponentials(isa, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const float expected = static_cast<float>(std::exp(static_cast<double>(x[i])));
      if (std::isinf(expected)) {
        ASSERT_EQ(y[i], expected) << isa_name(isa) << " " << x[i];
        continue;
      }
      const float ulp = std::nextafter(expected, kInfinity) - expected;
      ASSERT_LE(std::abs(y[i] - expected), 2 * ulp) << isa_name(isa) << " " << x[i];
    }
  }
}

TEST(Exponential, KnowsTheSpecialValues) {
  const std::vector<float> x = {0.0f, -0.0f, -kInfinity, kInfinity, std::nanf(""), -1e30f, 1e30f};
  for (Isa isa : supported_isas()) {
    const std::vector<float> y = exponentials(isa, x);
    EXPECT_EQ(y[0], 1.0f);  // exactly: attention relies on it where a maximum stays as it was
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_EQ(y[3], kInfinity);
    EXPECT_TRUE(std::isnan(y[4])) << isa_name(isa);
    EXPECT_EQ(y[5], 0.0f);
    EXPECT_EQ(y[6], kInfinity);
  }
}

}  // namespace
}  // namespace pelton
