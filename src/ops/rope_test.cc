#include "ops/rope.h"

#include <gtest/gtest.h>

#include "ops/gradient_check.h"

namespace pelton {
namespace {

RopeParameters parameters(int64_t pair_count, RopePairing pairing, float magnitude = 1) {
  RopeParameters result;
  for (int64_t i = 0; i < pair_count; ++i) {
    result.inverse_frequencies.push_back(
        static_cast<float>(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pair_count))));
  }
  result.pairing = pairing;
  result.magnitude = magnitude;
  return result;
}

Doubles plain_rope(const RopeParameters& with, const std::vector<int32_t>& positions, const RopeShape& shape,
                   Doubles x) {
  const size_t width = static_cast<size_t>(shape.head_width);
  const size_t row_width = width * static_cast<size_t>(shape.head_count);
  const size_t pair_count = with.inverse_frequencies.size();
  for (size_t begin = 0; begin < x.size(); begin += width) {
    const double position = positions[begin / row_width];
    for (size_t i = 0; i < pair_count; ++i) {
      const bool is_halves = with.pairing == RopePairing::kHalves;
      double& a = x[begin + (is_halves ? i : 2 * i)];
      double& b = x[begin + (is_halves ? i + pair_count : 2 * i + 1)];
      const double angle = position * static_cast<double>(with.inverse_frequencies[i]);
      const double cosine = std::cos(angle) * static_cast<double>(with.magnitude);
      const double sine = std::sin(angle) * static_cast<double>(with.magnitude);
      const double old_a = a;
      a = old_a * cosine - b * sine;
      b = old_a * sine + b * cosine;
    }
  }
  return x;
}

class Rope : public testing::TestWithParam<RopePairing> {};

TEST_P(Rope, IsExactAtLargePositionsAndLeavesTheRestAlone) {
  Executor executor(2);
  const std::vector<int32_t> positions = {0, 1, 77, 131071, 1000000};
  const RopeShape shape = {3, 80};
  for (int64_t pair_count : {40, 13}) {
    const RopeParameters with = parameters(pair_count, GetParam(), 1.25f);
    Rng rng(5);
    std::vector<float> x = random_floats(rng, 5 * 3 * 80);
    const Doubles expected = plain_rope(with, positions, shape, to_doubles(x));
    RopeTable table;
    table.prepare(executor, with, positions);
    rope(executor, table, RopeDirection::kForward, shape, x.data());
    // Cosine and sine rounded once, two products and a sum: five roundings of numbers below 2.
    EXPECT_LE(relative_error(x, expected), 0x1p-21);
  }
}

TEST_P(Rope, BackwardIsTheTransposed) {
  Executor executor(1);
  const std::vector<int32_t> positions = {3, 500};
  const RopeShape shape = {2, 20};
  const RopeParameters with = parameters(9, GetParam(), 0.75f);
  RopeTable table;
  table.prepare(executor, with, positions);
  Rng rng(6);
  const std::vector<float> x = random_floats(rng, 2 * 2 * 20);
  const std::vector<float> d_y = random_floats(rng, 2 * 2 * 20);
  std::vector<float> d_x = d_y;
  rope(executor, table, RopeDirection::kBackward, shape, d_x.data());
  const auto loss = [&](const Doubles& at) { return weighted_sum(plain_rope(with, positions, shape, at), d_y); };
  EXPECT_LE(gradient_error(d_x, loss, to_doubles(x)), 0x1p-21);
}

TEST_P(Rope, ATableIsPreparedAnewForEachStep) {
  Executor executor(3);
  const RopeShape shape = {40, 64};
  const RopeParameters with = parameters(32, GetParam());
  RopeTable reused;
  for (int32_t row_count : {50, 1, 33}) {
    std::vector<int32_t> positions;
    for (int32_t row = 0; row < row_count; ++row) positions.push_back(1000 * row_count + row);
    Rng rng(7);
    const std::vector<float> x = random_floats(rng, row_count * 40 * 64);
    std::vector<float> got = x;
    reused.prepare(executor, with, positions);
    rope(executor, reused, RopeDirection::kForward, shape, got.data());
    Executor single(1);
    RopeTable fresh;
    std::vector<float> expected = x;
    fresh.prepare(single, with, positions);
    rope(single, fresh, RopeDirection::kForward, shape, expected.data());
    EXPECT_EQ(got, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Pairings, Rope, testing::Values(RopePairing::kHalves, RopePairing::kInterleaved));

}  // namespace
}  // namespace pelton
