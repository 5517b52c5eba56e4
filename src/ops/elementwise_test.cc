#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <limits>

#include "ops/gradient_check.h"

namespace pelton {
namespace {

double plain(Nonlinearity f, double z) {
  if (f != Nonlinearity::kGelu) return z / (1 + std::exp(-z));
  return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}

Doubles plain_gate(Nonlinearity f, const Doubles& gate, const Doubles& up) {
  Doubles y(gate.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = plain(f, gate[i]) * up[i];
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

TEST(Elementwise, ColumnsAreScaledAndTheirFactorsHaveGradients) {
  for (const int thread_count : {1, 3}) {
    Executor executor(thread_count);
    for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{1, 7}, {3, 40}, {300, 129}}) {
      Rng rng(4);
      const std::vector<float> x = random_floats(rng, rows * width), d_y = random_floats(rng, rows * width);
      const std::vector<float> factors = random_floats(rng, width), bias = random_floats(rng, width);
      std::vector<float> y(x.size()), d_factors(static_cast<size_t>(width), 1.0F);
      scale_columns(executor, x.data(), factors.data(), bias.data(), rows, width, y.data());
      scale_columns_backward(executor, x.data(), d_y.data(), rows, width, d_factors.data());
      std::vector<double> sums(static_cast<size_t>(width), 1.0);
      for (size_t i = 0; i < y.size(); ++i) {
        const size_t column = i % static_cast<size_t>(width);
        ASSERT_NEAR(y[i], x[i] * factors[column] + bias[column], 1e-6);
        sums[column] += static_cast<double>(x[i]) * static_cast<double>(d_y[i]);
      }
      for (size_t column = 0; column < sums.size(); ++column) ASSERT_NEAR(d_factors[column], sums[column], 1e-4);
    }
  }
}

TEST(Elementwise, DropoutDropsItsShareAndScalesTheRest) {
  constexpr int64_t kCount = 100'000;
  const std::vector<float> ones(kCount, 1.0F);
  std::vector<float> first(kCount), second(kCount), other(kCount);
  Executor one(1), three(3);
  for (const float share : {0.1F, 0.5F}) {
    dropout(one, ones.data(), share, 7, kCount, first.data());
    dropout(three, ones.data(), share, 7, kCount, second.data());
    dropout(one, ones.data(), share, 8, kCount, other.data());
    EXPECT_EQ(first, second);
    double dropped = 0, both = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      ASSERT_TRUE(first[i] == 0 || first[i] == 1 / (1 - share));
      dropped += first[i] == 0;
      both += first[i] == 0 && other[i] == 0;
    }
    EXPECT_NEAR(dropped / kCount, share, 0.005);
    EXPECT_NEAR(both / kCount, share * share, 0.005) << "seeds are independent of each other";
  }
  dropout(one, ones.data(), 0, 7, kCount, first.data());
  EXPECT_EQ(first, ones);
}

TEST(Elementwise, ABiasIsAddedToEveryRow) {
  for (const int thread_count : {1, 3}) {
    Executor executor(thread_count);
    for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{1, 7}, {3, 40}, {300, 129}}) {
      Rng rng(4);
      const std::vector<float> bias = random_floats(rng, width);
      std::vector<float> y = random_floats(rng, rows * width);
      const std::vector<float> x = y;
      add_bias(executor, bias.data(), rows, width, y.data());
      for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], x[i] + bias[i % static_cast<size_t>(width)]);

      std::vector<float> d_bias(bias.size(), 0.5f);
      std::vector<float> expected = d_bias;
      add_bias_backward(executor, x.data(), rows, width, d_bias.data());
      for (size_t i = 0; i < x.size(); ++i) expected[i % static_cast<size_t>(width)] += x[i];
      EXPECT_EQ(d_bias, expected) << "in the order of the rows, whatever the thread count";
    }
  }
}

TEST(Elementwise, MultiplesAndSoftCapsAreWhatTheDefinitionSays) {
  Executor executor(2);
  Rng rng(5);
  const std::vector<float> x = random_floats(rng, 20011, 40);
  const std::vector<float> d_y = random_floats(rng, 20011);
  std::vector<float> y(x.size());
  scale(executor, x.data(), 0.7f, 20011, y.data());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], 0.7f * x[i]);

  const auto plain_cap = [](const Doubles& at) {
    Doubles capped;
    for (const double value : at) capped.push_back(15 * std::tanh(value / 15));
    return capped;
  };
  soft_cap(executor, x.data(), 15, 20011, y.data());
  // A tanh within 4 ulp, a quotient and a product.
  EXPECT_LE(relative_error(y, plain_cap(to_doubles(x))), 6 * 0x1p-23);
  std::vector<float> d_x = d_y;
  soft_cap_backward(executor, y.data(), 15, d_x.data(), 20011, d_x.data());
  const auto loss = [&](const Doubles& at) { return weighted_sum(plain_cap(at), d_y); };
  // Of 1 - tanh², with errors as above.
  EXPECT_LE(gradient_error(d_x, loss, to_doubles(x), 331), 16 * 0x1p-23);
}

constexpr Nonlinearity kNonlinearities[] = {Nonlinearity::kSilu, Nonlinearity::kGelu};

TEST(Elementwise, GatesAreWhatTheDefinitionSays) {
  Executor executor(2);
  for (const Nonlinearity f : kNonlinearities) {
    for (int64_t count : {1, 33, 20011}) {
      Rng rng(2);
      std::vector<float> x = random_floats(rng, count, 30);
      const std::vector<float> up = random_floats(rng, count);
      std::vector<float> y(x.size());
      gate(executor, f, x.data(), up.data(), count, y.data());
      // An exponential within 2 ulp and four roundings, relative to a value of at least 1 (or there is but one).
      EXPECT_LE(relative_error(y, plain_gate(f, to_doubles(x), to_doubles(up))), 6 * 0x1p-24);
      gate(executor, f, x.data(), up.data(), count, x.data());
      EXPECT_EQ(x, y) << "in place";
    }
  }
}

TEST(Elementwise, GatesKeepTheirHeadsAtTheEnds) {
  Executor executor(1);
  for (const Nonlinearity f : kNonlinearities) {
    const std::vector<float> x = {-1000, -100, -88, 0, 88, 100, 1000, std::numeric_limits<float>::quiet_NaN()};
    const std::vector<float> up(x.size(), 1);
    std::vector<float> y(x.size());
    gate(executor, f, x.data(), up.data(), static_cast<int64_t>(x.size()), y.data());
    EXPECT_EQ(y[0], 0);
    EXPECT_EQ(y[1], 0);
    EXPECT_NEAR(y[2], 0, 1e-35);
    EXPECT_EQ(y[3], 0);
    EXPECT_EQ(y[4], 88);
    EXPECT_EQ(y[6], 1000);
    EXPECT_TRUE(std::isnan(y[7]));
  }
}

TEST(Elementwise, GatesHaveTheGradientsOfTheDefinition) {
  Executor executor(2);
  for (const Nonlinearity f : kNonlinearities) {
    Rng rng(3);
    const std::vector<float> x = random_floats(rng, 203, 6);
    const std::vector<float> up = random_floats(rng, 203);
    const std::vector<float> d_y = random_floats(rng, 203);
    std::vector<float> d_gate(203);
    std::vector<float> d_up(203);
    gate_backward(executor, f, x.data(), up.data(), d_y.data(), 203, {d_gate.data(), d_up.data()});
    const auto of_gate = [&](const Doubles& at) { return weighted_sum(plain_gate(f, at, to_doubles(up)), d_y); };
    const auto of_up = [&](const Doubles& at) { return weighted_sum(plain_gate(f, to_doubles(x), at), d_y); };
    // 1 - sigmoid may have lost three bits where z = 6, and z w'(z) is up to 60 there; the rest are single roundings.
    EXPECT_LE(gradient_error(d_gate, of_gate, to_doubles(x)), 0x1p-19);
    EXPECT_LE(gradient_error(d_up, of_up, to_doubles(up)), 0x1p-20);

    std::vector<float> gate_in_place = x;
    std::vector<float> up_in_place = up;
    gate_backward(executor, f, gate_in_place.data(), up_in_place.data(), d_y.data(), 203,
                  {gate_in_place.data(), up_in_place.data()});
    EXPECT_EQ(gate_in_place, d_gate);
    EXPECT_EQ(up_in_place, d_up);
  }
}

TEST(Elementwise, TheClampedGateIsWhatTheDefinitionSays) {
  Executor executor(2);
  const ClampedGate bounds = {.steepness = 1.702f, .limit = 3};
  const auto plain_clamped = [](const Doubles& gate, const Doubles& up) {
    Doubles y;
    for (size_t i = 0; i < gate.size(); ++i) {
      const double z = std::min(gate[i], 3.0);
      const double u = std::clamp(up[i], -3.0, 3.0);
      y.push_back(z / (1 + std::exp(-static_cast<double>(1.702f) * z)) * (1 + u));
    }
    return y;
  };
  Rng rng(7);
  const std::vector<float> x = random_floats(rng, 2003, 6);
  const std::vector<float> up = random_floats(rng, 2003, 6);
  const std::vector<float> d_y = random_floats(rng, 2003);
  std::vector<float> y(x.size());
  gate(executor, bounds, x.data(), up.data(), 2003, y.data());
  EXPECT_LE(relative_error(y, plain_clamped(to_doubles(x), to_doubles(up))), 8 * 0x1p-24);
  std::vector<float> d_gate(x.size());
  std::vector<float> d_up(x.size());
  gate_backward(executor, bounds, x.data(), up.data(), d_y.data(), 2003, {d_gate.data(), d_up.data()});
  const auto of_gate = [&](const Doubles& at) { return weighted_sum(plain_clamped(at, to_doubles(up)), d_y); };
  const auto of_up = [&](const Doubles& at) { return weighted_sum(plain_clamped(to_doubles(x), at), d_y); };
  EXPECT_LE(gradient_error(d_gate, of_gate, to_doubles(x)), 0x1p-19);
  EXPECT_LE(gradient_error(d_up, of_up, to_doubles(up)), 0x1p-19);

  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> ends = {-1000, 1000, nan, 1};
  const std::vector<float> ups = {1000, 1000, 1, nan};
  std::vector<float> at_ends(4);
  gate(executor, bounds, ends.data(), ups.data(), 4, at_ends.data());
  EXPECT_EQ(at_ends[0], 0);
  EXPECT_NEAR(at_ends[1], 3 / (1 + std::exp(-1.702 * 3)) * 4, 1e-5);
  EXPECT_TRUE(std::isnan(at_ends[2]) && std::isnan(at_ends[3])) << "bounds hide no NaN";
}

TEST(Elementwise, GeluAloneIsTheGateOfOne) {
  Executor executor(2);
  Rng rng(6);
  const std::vector<float> x = random_floats(rng, 203, 6);
  const std::vector<float> d_y = random_floats(rng, 203);
  const std::vector<float> ones(x.size(), 1);
  std::vector<float> y(x.size());
  std::vector<float> expected(x.size());
  std::vector<float> ignored(x.size());
  gelu(executor, Nonlinearity::kGelu, x.data(), 203, y.data());
  gate(executor, Nonlinearity::kGelu, x.data(), ones.data(), 203, expected.data());
  EXPECT_EQ(y, expected);
  gelu_backward(executor, Nonlinearity::kGelu, x.data(), d_y.data(), 203, y.data());
  gate_backward(executor, Nonlinearity::kGelu, x.data(), ones.data(), d_y.data(), 203,
                {expected.data(), ignored.data()});
  EXPECT_EQ(y, expected);
}

// By the definition in double precision, and its derivative by differences.
TEST(GeluErf, IsItsDefinitionAndSoIsItsGradient) {
  Executor executor(2);
  Rng rng(3);
  const std::vector<float> x = random_floats(rng, 203, 8);
  const std::vector<float> d_y = random_floats(rng, 203);
  std::vector<float> y(x.size());
  std::vector<float> d_x(x.size());
  gelu(executor, Nonlinearity::kGeluErf, x.data(), 203, y.data());
  gelu_backward(executor, Nonlinearity::kGeluErf, x.data(), d_y.data(), 203, d_x.data());
  const auto exact = [](double z) { return z / 2 * std::erfc(-z / std::sqrt(2.0)); };
  for (size_t i = 0; i < x.size(); ++i) {
    const auto z = static_cast<double>(x[i]);
    // |z| <= 8 times what Φ is off by: 2^-23.
    EXPECT_NEAR(static_cast<double>(y[i]), exact(z), 8 * 0x1p-23) << z;
    const double slope = (exact(z + 1e-4) - exact(z - 1e-4)) / 2e-4;
    EXPECT_NEAR(static_cast<double>(d_x[i]), slope * static_cast<double>(d_y[i]), 4e-7) << z;
  }
}

TEST(GeluErf, AGateIsItTimesUp) {
  Executor executor(2);
  Rng rng(4);
  const std::vector<float> z = random_floats(rng, 77, 5);
  const std::vector<float> up = random_floats(rng, 77);
  const std::vector<float> d_y = random_floats(rng, 77);
  std::vector<float> gelu_z(77), slope_times_d(77), y(77), d_gate(77), d_up(77);
  gelu(executor, Nonlinearity::kGeluErf, z.data(), 77, gelu_z.data());
  gelu_backward(executor, Nonlinearity::kGeluErf, z.data(), d_y.data(), 77, slope_times_d.data());
  gate(executor, Nonlinearity::kGeluErf, z.data(), up.data(), 77, y.data());
  gate_backward(executor, Nonlinearity::kGeluErf, z.data(), up.data(), d_y.data(), 77, {d_gate.data(), d_up.data()});
  for (size_t i = 0; i < z.size(); ++i) {
    EXPECT_NEAR(y[i], gelu_z[i] * up[i], 1e-6f);
    EXPECT_NEAR(d_gate[i], slope_times_d[i] * up[i], 1e-6f);
    EXPECT_NEAR(d_up[i], gelu_z[i] * d_y[i], 2e-6f);
  }
}

}  // namespace
}  // namespace pelton
