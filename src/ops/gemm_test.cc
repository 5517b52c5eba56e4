#include "ops/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "base/rng.h"

namespace pelton {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = rng.next_symmetric();
  return values;
}

std::vector<float> run(int threads, const GemmShape& shape, const std::vector<float>& a, const std::vector<float>& b,
                       std::vector<float> c) {
  Executor executor(threads);
  gemm_f32(executor, shape, a.data(), b.data(), c.data());
  return c;
}

TEST(Gemm, AgreesWithAPlainProductForEveryTranspositionAndDoesNotDependOnThreads) {
  for (int transposed = 0; transposed < 4; ++transposed) {
    for (const GemmShape sizes : {GemmShape{1, 1, 1}, GemmShape{5, 7, 3}, GemmShape{65, 33, 129}, GemmShape{3, 577, 70},
                                  GemmShape{400, 130, 50}, GemmShape{48, 48, 3000}}) {
      for (float beta : {0.0f, 1.0f}) {
        GemmShape shape = sizes;
        shape.is_a_transposed = transposed % 2 == 1;
        shape.is_b_transposed = transposed >= 2;
        shape.beta = beta;
        const auto [m, n, k] = std::tuple{shape.m, shape.n, shape.k};
        SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << ", transposed " << transposed);
        const std::vector<float> a = random_floats(m * k, 1);
        const std::vector<float> b = random_floats(k * n, 2);
        std::vector<float> c = random_floats(m * n, 3);
        if (beta == 0.0f) c.assign(c.size(), std::nanf(""));  // assigned, never read
        const std::vector<float> got = run(1, shape, a, b, c);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double expected = beta == 0.0f ? 0.0 : c[static_cast<size_t>(i * n + j)];
            double magnitude = std::abs(expected);
            for (int64_t l = 0; l < k; ++l) {
              const double term =
                  static_cast<double>(a[static_cast<size_t>(shape.is_a_transposed ? l * m + i : i * k + l)]) *
                  b[static_cast<size_t>(shape.is_b_transposed ? j * k + l : l * n + j)];
              expected += term;
              magnitude += std::abs(term);
            }
            // A float sum of k terms is off by at most k · 2^-24 of the sum of magnitudes; about its root in practice.
            ASSERT_NEAR(got[static_cast<size_t>(i * n + j)], expected,
                        magnitude * (2 + std::sqrt(static_cast<double>(k))) * 0x1p-24);
          }
        }
        EXPECT_EQ(run(2, shape, a, b, c), got);
        EXPECT_EQ(run(3, shape, a, b, c), got);
      }
    }
  }
}

TEST(Gemm, StridesLeaveTheGapsAlone) {
  // The middle 2 x 3 of a 4 x 5 matrix.
  std::vector<float> c(20, 9.0f);
  const std::vector<float> a = {1, 2, 0, 3, 4, 0};     // [2, 2] in rows of 3
  const std::vector<float> b = {1, 2, 3, 0, 4, 5, 6};  // [2, 3] in rows of 4
  Executor executor(1);
  gemm_f32(executor, {.m = 2, .n = 3, .k = 2, .a_stride = 3, .b_stride = 4, .c_stride = 5}, a.data(), b.data(), &c[6]);
  const std::vector<float> expected = {9, 9, 9, 9, 9, 9, 9, 12, 15, 9, 9, 19, 26, 33, 9, 9, 9, 9, 9, 9};
  EXPECT_EQ(c, expected);
}

TEST(Gemm, NoRowsAndNoDepth) {
  Executor executor(2);
  gemm_f32(executor, {.m = 0, .n = 3, .k = 2}, nullptr, nullptr, nullptr);
  std::vector<float> c(6, 5.0f);
  gemm_f32(executor, {.m = 2, .n = 3, .k = 0}, c.data(), c.data(), c.data());
  EXPECT_EQ(c, std::vector<float>(6, 0.0f));
}

}  // namespace
}  // namespace pelton
