#include "ops/truncated_svd.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "ops/gemm.h"

namespace pelton {
namespace {

constexpr int kPowerIterations = 16;
constexpr int64_t kLeastOversampling = 16;
constexpr int64_t kElementGrain = 4096;
// Below this share of its length a row is what rounding left of it.
constexpr double kVanished = 1e-5;
constexpr int kSweepsMax = 60;
constexpr double kOrthogonal = 1e-12;  // cosine

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// row -= Σ (row · before_i) before_i
void subtract_projections(Executor& executor, const float* before, int64_t before_count, int64_t width, float* row) {
  std::vector<double> parts(static_cast<size_t>(before_count));
  executor.parallel_for(before_count, 1, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      parts[static_cast<size_t>(i)] = dot(before + i * width, row, width);
    }
  });
  executor.parallel_for(width, kElementGrain, [&](Range range) {
    for (int64_t i = 0; i < before_count; ++i) {
      const auto part = static_cast<float>(parts[static_cast<size_t>(i)]);
      for (int64_t k = range.begin; k < range.end; ++k) row[k] -= part * before[i * width + k];
    }
  });
}

// Jacobi's rotations from one side (Hestenes 1958): rows of a square matrix X become orthogonal, and the same rotations
// go into V, which begins as the identity: X_before = Vᵀ X_after.
struct RotatedRows {
  std::vector<double> x, v;  // [size, size]
};

void rotate(double* a, double* b, double cosine, double sine, int64_t width) {
  for (int64_t k = 0; k < width; ++k) {
    const double old = a[k];
    a[k] = cosine * old - sine * b[k];
    b[k] = sine * old + cosine * b[k];
  }
}

RotatedRows orthogonalise(std::vector<double> x, int64_t size) {
  RotatedRows rows{std::move(x), std::vector<double>(static_cast<size_t>(size * size))};
  for (int64_t i = 0; i < size; ++i) rows.v[static_cast<size_t>(i * size + i)] = 1;
  bool has_rotated = true;
  for (int sweep = 0; has_rotated && sweep < kSweepsMax; ++sweep) {
    has_rotated = false;
    for (int64_t p = 0; p < size; ++p) {
      for (int64_t q = p + 1; q < size; ++q) {
        double* a = rows.x.data() + p * size;
        double* b = rows.x.data() + q * size;
        const double aa = std::inner_product(a, a + size, a, 0.0), bb = std::inner_product(b, b + size, b, 0.0);
        const double ab = std::inner_product(a, a + size, b, 0.0);
        if (std::abs(ab) <= kOrthogonal * std::sqrt(aa * bb)) continue;
        const double zeta = (bb - aa) / (2 * ab);
        const double tangent = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
        rotate(a, b, cosine, sine, size);
        rotate(rows.v.data() + p * size, rows.v.data() + q * size, cosine, sine, size);
        has_rotated = true;
      }
    }
  }
  return rows;
}

Tensor random_rows(int64_t rows, int64_t columns, uint64_t seed) {
  Rng random(seed);
  Tensor values = Tensor::f32({rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i) {
    // The sum of four uniform numbers: near enough to the normal distribution for directions.
    float sum = 0;
    for (int term = 0; term < 4; ++term) sum += random.next_symmetric();
    values.mutable_floats()[i] = sum;
  }
  return values;
}

// Rows that span nearly what the matrix' largest left singular vectors do: [size, N].
Tensor range_of(Executor& executor, const Tensor& matrix, int64_t size, uint64_t seed) {
  const int64_t n = matrix.shape()[0], k = matrix.shape()[1];
  Tensor across = random_rows(size, k, seed);
  Tensor along = Tensor::f32({size, n});
  const auto project = [&] {  // across · matrixᵀ
    gemm_f32(executor, {.m = size, .n = n, .k = k, .is_b_transposed = true}, across.floats(), matrix.floats(),
             along.mutable_floats());
    orthonormalise_rows(executor, along);
  };
  project();
  for (int iteration = 0; iteration < kPowerIterations && size < std::min(n, k); ++iteration) {
    gemm_f32(executor, {.m = size, .n = k, .k = n}, along.floats(), matrix.floats(), across.mutable_floats());
    orthonormalise_rows(executor, across);
    project();
  }
  return along;
}

}  // namespace

void orthonormalise_rows(Executor& executor, Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], width = matrix.shape()[1];
  float* values = matrix.mutable_floats();
  for (int64_t i = 0; i < rows; ++i) {
    float* row = values + i * width;
    const double before = std::sqrt(dot(row, row, width));
    for (int time = 0; time < 2; ++time) subtract_projections(executor, values, i, width, row);
    const double after = std::sqrt(dot(row, row, width));
    const bool has_vanished = after <= kVanished * before;
    for (int64_t k = 0; k < width; ++k) {
      row[k] = has_vanished ? 0.0f : static_cast<float>(static_cast<double>(row[k]) / after);
    }
  }
}

TruncatedSvd truncated_svd(Executor& executor, const Tensor& matrix, int64_t rank, uint64_t seed) {
  const int64_t n = matrix.shape()[0], k = matrix.shape()[1];
  CHECK(rank >= 1 && rank <= std::min(n, k));
  const int64_t size = std::min({n, k, rank + std::max(rank, kLeastOversampling)});
  const Tensor basis = range_of(executor, matrix, size, seed);  // Q, as rows
  Tensor small = Tensor::f32({size, k});                        // B = Qᵀ W
  gemm_f32(executor, {.m = size, .n = k, .k = n}, basis.floats(), matrix.floats(), small.mutable_floats());

  // B = L O with orthonormal rows O; of L's rows rotated apart, lengths are the singular values.
  Tensor orthonormal = Tensor::f32(small.shape());
  std::copy_n(small.floats(), size * k, orthonormal.mutable_floats());
  orthonormalise_rows(executor, orthonormal);
  std::vector<double> lower(static_cast<size_t>(size * size));
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t j = 0; j < size; ++j) {
      lower[static_cast<size_t>(i * size + j)] = dot(small.floats() + i * k, orthonormal.floats() + j * k, k);
    }
  }
  const RotatedRows rotated = orthogonalise(std::move(lower), size);
  std::vector<double> lengths(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double* row = rotated.x.data() + i * size;
    lengths[static_cast<size_t>(i)] = std::sqrt(std::inner_product(row, row + size, row, 0.0));
  }
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });

  // L = Vᵀ X, so W ≈ (Q Vᵀ) · diag(lengths) · (X / lengths · O).
  Tensor left_mix = Tensor::f32({rank, size}), right_mix = Tensor::f32({rank, size});
  TruncatedSvd result{Tensor::f32({n, rank}), {}, Tensor::f32({rank, k})};
  for (int64_t r = 0; r < rank; ++r) {
    const int64_t from = order[static_cast<size_t>(r)];
    const double length = lengths[static_cast<size_t>(from)];
    result.values.push_back(static_cast<float>(length));
    if (length == 0) continue;
    for (int64_t i = 0; i < size; ++i) {
      const auto place = static_cast<size_t>(from * size + i);
      left_mix.mutable_floats()[r * size + i] = static_cast<float>(rotated.v[place]);
      right_mix.mutable_floats()[r * size + i] = static_cast<float>(rotated.x[place] / length);
    }
  }
  gemm_f32(executor, {.m = n, .n = rank, .k = size, .is_a_transposed = true, .is_b_transposed = true}, basis.floats(),
           left_mix.floats(), result.left.mutable_floats());
  gemm_f32(executor, {.m = rank, .n = k, .k = size}, right_mix.floats(), orthonormal.floats(),
           result.right.mutable_floats());
  return result;
}

}  // namespace pelton
