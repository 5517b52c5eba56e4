#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <limits>

#include "ops/gradient_check.h"

namespace pelton {
namespace {

Doubles plain_silu_gate(const Doubles& gate, const Doubles& up) {
  Doubles y(gate.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  return y;
}

TEST(Elementwise, SumsAreExactAndMayBeInPlace) {
  Executor executor(2);
  for (int64_t count : {1, 100, 40001}) {
    Rng rng(1);
    const std::vector<float> a = random_floats(rng, count);
    std::vector<float> b = random_floats(rng, count);
    std::vector<float> y(a.size());
    add(executor, a.data(), b.data(), count, y.data());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(y[i], a[i] + b[i]);
    accumulate(executor, a.data(), count, b.data());
    EXPECT_EQ(b, y);
  }
}

TEST(Elementwise, SiluGateIsWhatTheDefinitionSays) {
  Executor executor(2);
  for (int64_t count : {1, 33, 20011}) {
    Rng rng(2);
    std::vector<float> gate = random_floats(rng, count, 30);
    const std::vector<float> up = random_floats(rng, count);
    std::vector<float> y(gate.size());
    silu_gate(executor, gate.data(), up.data(), count, y.data());
    // An exponential within 2 ulp and four roundings.
    EXPECT_LE(relative_error(y, plain_silu_gate(to_doubles(gate), to_doubles(up))), 6 * 0x1p-24);
    silu_gate(executor, gate.data(), up.data(), count, gate.data());
    EXPECT_EQ(gate, y) << "in place";
  }
}

TEST(Elementwise, SiluGateKeepsItsHeadAtTheEnds) {
  Executor executor(1);
  const std::vector<float> gate = {-1000, -100, -88, 0, 88, 100, 1000, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<float> up(gate.size(), 1);
  std::vector<float> y(gate.size());
  silu_gate(executor, gate.data(), up.data(), static_cast<int64_t>(gate.size()), y.data());
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], 0);
  EXPECT_NEAR(y[2], 0, 1e-35);
  EXPECT_EQ(y[3], 0);
  EXPECT_EQ(y[4], 88);
  EXPECT_EQ(y[6], 1000);
  EXPECT_TRUE(std::isnan(y[7]));
}

TEST(Elementwise, SiluGateGradientsAreThoseOfTheDefinition) {
  Executor executor(2);
  Rng rng(3);
  const std::vector<float> gate = random_floats(rng, 203, 6);
  const std::vector<float> up = random_floats(rng, 203);
  const std::vector<float> d_y = random_floats(rng, 203);
  std::vector<float> d_gate(203);
  std::vector<float> d_up(203);
  silu_gate_backward(executor, gate.data(), up.data(), d_y.data(), 203, {d_gate.data(), d_up.data()});
  const auto of_gate = [&](const Doubles& at) { return weighted_sum(plain_silu_gate(at, to_doubles(up)), d_y); };
  const auto of_up = [&](const Doubles& at) { return weighted_sum(plain_silu_gate(to_doubles(gate), at), d_y); };
  // 1 - sigmoid may have lost three bits where z = 6; the rest are single roundings.
  EXPECT_LE(gradient_error(d_gate, of_gate, to_doubles(gate)), 0x1p-20);
  EXPECT_LE(gradient_error(d_up, of_up, to_doubles(up)), 0x1p-20);

  std::vector<float> gate_in_place = gate;
  std::vector<float> up_in_place = up;
  silu_gate_backward(executor, gate_in_place.data(), up_in_place.data(), d_y.data(), 203,
                     {gate_in_place.data(), up_in_place.data()});
  EXPECT_EQ(gate_in_place, d_gate);
  EXPECT_EQ(up_in_place, d_up);
}

}  // namespace
}  // namespace pelton
