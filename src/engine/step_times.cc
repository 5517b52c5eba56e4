#include "engine/step_times.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace pelton {
namespace {

constexpr double kMemory = 0.998;      // of a step's weight is left after the next: some 500 steps count
constexpr double kPriorWeight = 1e-3;  // of steps

}  // namespace

StepTimeEstimator::StepTimeEstimator(const StepTimes& prior)
    : prior_{prior.fixed_ms, prior.decode_row_ms, prior.prompt_row_ms} {}

void StepTimeEstimator::observe(const StepWork& work, double ms) {
  const Vector x{1, static_cast<double>(work.decode_rows), static_cast<double>(work.prompt_rows)};
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < x.size(); ++j) products_[i][j] = kMemory * products_[i][j] + x[i] * x[j];
    targets_[i] = kMemory * targets_[i] + x[i] * ms;
  }
}

// (Σ x xᵀ + λ I) w = Σ x y + λ prior, by elimination with pivots.
StepTimes StepTimeEstimator::times() const {
  std::array<Vector, 3> a = products_;
  Vector w = targets_;
  for (size_t i = 0; i < w.size(); ++i) {
    a[i][i] += kPriorWeight;
    w[i] += kPriorWeight * prior_[i];
  }
  for (size_t column = 0; column < w.size(); ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < w.size(); ++row) {
      if (std::abs(a[row][column]) > std::abs(a[pivot][column])) pivot = row;
    }
    std::swap(a[column], a[pivot]);
    std::swap(w[column], w[pivot]);
    for (size_t row = column + 1; row < w.size(); ++row) {
      const double factor = a[row][column] / a[column][column];
      for (size_t j = column; j < w.size(); ++j) a[row][j] -= factor * a[column][j];
      w[row] -= factor * w[column];
    }
  }
  for (size_t row = w.size(); row-- > 0;) {
    for (size_t j = row + 1; j < w.size(); ++j) w[row] -= a[row][j] * w[j];
    w[row] /= a[row][row];
  }
  return {std::max(0.0, w[0]), std::max(0.0, w[1]), std::max(0.0, w[2])};
}

}  // namespace pelton
