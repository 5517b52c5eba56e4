#include "ops/truncated_svd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace pelton {
namespace {

Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Rng random(seed);
  Tensor matrix = Tensor::f32({rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i) matrix.mutable_floats()[i] = random.next_symmetric();
  return matrix;
}

// In place: H · matrix, with the reflection H of a random direction: what is orthonormal stays so.
void reflect_rows(Tensor& matrix, uint64_t seed) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  const Tensor direction = random_matrix(rows, 1, seed);
  double square = 0;
  for (int64_t i = 0; i < rows; ++i) square += std::pow(static_cast<double>(direction.floats()[i]), 2);
  for (int64_t c = 0; c < columns; ++c) {
    double product = 0;
    for (int64_t i = 0; i < rows; ++i) {
      product += static_cast<double>(direction.floats()[i]) * static_cast<double>(matrix.floats()[i * columns + c]);
    }
    for (int64_t i = 0; i < rows; ++i) {
      matrix.mutable_floats()[i * columns + c] -=
          static_cast<float>(2 * product / square * static_cast<double>(direction.floats()[i]));
    }
  }
}

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  Tensor result = Tensor::f32({columns, rows});
  for (int64_t i = 0; i < rows * columns; ++i) {
    result.mutable_floats()[i % columns * rows + i / columns] = matrix.floats()[i];
  }
  return result;
}

// A matrix with these singular values: reflections of a diagonal one, from both sides.
Tensor matrix_of(int64_t rows, int64_t columns, const std::vector<float>& values) {
  Tensor matrix = Tensor::f32({rows, columns});
  for (size_t i = 0; i < values.size(); ++i) {
    matrix.mutable_floats()[static_cast<int64_t>(i) * columns + static_cast<int64_t>(i)] = values[i];
  }
  for (uint64_t seed = 1; seed <= 3; ++seed) reflect_rows(matrix, seed);
  matrix = transposed(matrix);
  for (uint64_t seed = 4; seed <= 6; ++seed) reflect_rows(matrix, seed);
  return transposed(matrix);
}

double squares_of_difference(const Tensor& matrix, const TruncatedSvd& svd) {
  const int64_t columns = matrix.shape()[1];
  const auto rank = static_cast<int64_t>(svd.values.size());
  double sum = 0;
  for (int64_t i = 0; i < matrix.shape().element_count(); ++i) {
    double value = matrix.floats()[i];
    for (int64_t r = 0; r < rank; ++r) {
      value -= static_cast<double>(svd.left.floats()[i / columns * rank + r]) *
               static_cast<double>(svd.values[static_cast<size_t>(r)]) *
               static_cast<double>(svd.right.floats()[r * columns + i % columns]);
    }
    sum += value * value;
  }
  return sum;
}

struct SvdCase {
  int64_t rows, columns, rank;
  float decay;  // of the singular values: decay^i
};
class TruncatedSvdOf : public testing::TestWithParam<SvdCase> {};

// By Eckart and Young no matrix of this rank is nearer than the squares of the values that are left.
TEST_P(TruncatedSvdOf, FindsTheLargestValuesAndTheNearestMatrix) {
  const auto [rows, columns, rank, decay] = GetParam();
  std::vector<float> values;
  for (int64_t i = 0; i < std::min(rows, columns); ++i) {
    values.push_back(3 * std::pow(decay, static_cast<float>(i)));
  }
  const Tensor matrix = matrix_of(rows, columns, values);
  Executor executor(2);
  const TruncatedSvd svd = truncated_svd(executor, matrix, rank, 7);
  double left_over = 0, square = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    square += value * value;
    if (i >= static_cast<size_t>(rank)) {
      left_over += value * value;
    } else {
      EXPECT_NEAR(svd.values[i], values[i], 2e-3 * value) << "value " << i;
    }
  }
  EXPECT_LE(squares_of_difference(matrix, svd), left_over * 1.01 + 1e-10 * square);
}

INSTANTIATE_TEST_SUITE_P(Shapes, TruncatedSvdOf,
                         testing::Values(SvdCase{40, 24, 4, 0.8F}, SvdCase{24, 40, 24, 0.9F}, SvdCase{1, 5, 1, 0.5F},
                                         SvdCase{300, 200, 16, 0.97F}, SvdCase{90, 700, 8, 0.5F}));

TEST(TruncatedSvd, HasOrthonormalVectorsAndTheSameNumbersOnAnyNumberOfThreads) {
  const Tensor matrix = random_matrix(150, 120, 3);
  Executor one(1), two(2);
  const TruncatedSvd svd = truncated_svd(one, matrix, 10, 1), other = truncated_svd(two, matrix, 10, 1);
  EXPECT_EQ(svd.values, other.values);
  EXPECT_TRUE(std::equal(svd.left.floats(), svd.left.floats() + 1500, other.left.floats()));
  EXPECT_TRUE(std::equal(svd.right.floats(), svd.right.floats() + 1200, other.right.floats()));
  const Tensor left = transposed(svd.left);
  for (const auto& [vectors, width] : {std::pair(&left, 150), std::pair(&svd.right, 120)}) {
    for (int a = 0; a < 10; ++a) {
      for (int b = 0; b < 10; ++b) {
        double product = 0;
        for (int i = 0; i < width; ++i) {
          product += static_cast<double>(vectors->floats()[a * width + i]) *
                     static_cast<double>(vectors->floats()[b * width + i]);
        }
        EXPECT_NEAR(product, a == b ? 1 : 0, 1e-5);
      }
    }
  }
}

TEST(TruncatedSvd, OfAMatrixWithoutThatRankEndsInZeros) {
  Executor executor(1);
  const TruncatedSvd svd = truncated_svd(executor, matrix_of(30, 20, {4, 2}), 4, 1);
  EXPECT_NEAR(svd.values[0], 4, 1e-4);
  EXPECT_NEAR(svd.values[1], 2, 1e-4);
  EXPECT_NEAR(svd.values[2], 0, 1e-4);
  const TruncatedSvd zero = truncated_svd(executor, Tensor::f32({6, 5}), 2, 1);
  EXPECT_EQ(zero.values, std::vector<float>({0, 0}));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(zero.left.floats()[i], 0);
}

TEST(OrthonormaliseRows, MakesARowThatOthersSpanZero) {
  Tensor matrix = Tensor::f32({3, 3});
  const float values[] = {3, 0, 4, 6, 0, 8, 0, 2, 0};
  std::copy_n(values, 9, matrix.mutable_floats());
  Executor executor(1);
  orthonormalise_rows(executor, matrix);
  const float expected[] = {0.6F, 0, 0.8F, 0, 0, 0, 0, 1, 0};
  for (int i = 0; i < 9; ++i) EXPECT_NEAR(matrix.floats()[i], expected[i], 1e-6) << i;
}

}  // namespace
}  // namespace pelton
