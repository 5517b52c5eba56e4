#include "ops/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace pelton {
namespace {

// Eight bits of mantissa, to the nearest, and the same whoever computes which part.
TEST(Bf16, RoundsToTheNearestOnAnyNumberOfThreads) {
  Rng rng(1);
  std::vector<float> x(70'001);
  for (float& value : x) value = std::ldexp(static_cast<float>(rng.next_below(1 << 20)) - 0.5e6F, -30);
  std::vector<std::vector<float>> all;
  for (const int threads : {1, 3}) {
    Executor executor(threads);
    std::vector<uint16_t> rounded(x.size());
    round_to_bf16(executor, x.data(), static_cast<int64_t>(x.size()), rounded.data());
    std::vector<float>& back = all.emplace_back(x.size());
    widen_bf16(executor, rounded.data(), static_cast<int64_t>(x.size()), back.data());
  }
  EXPECT_EQ(all[0], all[1]);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(std::abs(all[0][i] - x[i]), std::abs(x[i]) * 0x1p-8F) << x[i];
  }
  Executor executor(1);
  const std::vector<float> halfway = {1 + 0x1p-8F, 1 + 3 * 0x1p-8F, -1 - 0x1p-8F};  // ties go to the even one
  std::vector<uint16_t> rounded(3);
  std::vector<float> back(3);
  round_to_bf16(executor, halfway.data(), 3, rounded.data());
  widen_bf16(executor, rounded.data(), 3, back.data());
  EXPECT_EQ(back, (std::vector<float>{1, 1 + 4 * 0x1p-8F, -1}));
}

}  // namespace
}  // namespace pelton
