// For tests: seeded inputs, and gradients by central differences of a plain definition in double precision. Such a
// gradient is off by about h² = 1e-10 and 2^-53 / h = 1e-11 relative to the loss, far below float's 2^-24.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/rng.h"

namespace pelton {

using Doubles = std::vector<double>;

inline std::vector<float> random_floats(Rng& rng, int64_t count, float magnitude = 1) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = magnitude * rng.next_symmetric();
  return values;
}

inline Doubles to_doubles(const std::vector<float>& values) { return Doubles(values.begin(), values.end()); }

// The sum of weights · values: makes one loss of many outputs, whose gradient at the outputs is `weights`.
inline double weighted_sum(const Doubles& values, const std::vector<float>& weights) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i] * static_cast<double>(weights[i]);
  return sum;
}

// The largest |got - expected|, relative to the largest |expected|, over every `step`-th element; NaN counts as
// infinite. Expected: the numeric gradient of `loss` at `x`.
inline double gradient_error(const std::vector<float>& got, const std::function<double(const Doubles&)>& loss,
                             Doubles x, size_t step = 1) {
  constexpr double kH = 1e-5;
  double worst = 0;
  double largest = 1e-6;
  for (size_t i = 0; i < x.size(); i += step) {
    const double middle = x[i];
    x[i] = middle + kH;
    const double above = loss(x);
    x[i] = middle - kH;
    const double below = loss(x);
    x[i] = middle;
    const double expected = (above - below) / (2 * kH);
    const double difference = std::abs(static_cast<double>(got[i]) - expected);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
    largest = std::max(largest, std::abs(expected));
  }
  return worst / largest;
}

// The largest |got - expected| relative to the largest |expected|; NaN counts as infinite.
inline double relative_error(const std::vector<float>& got, const Doubles& expected) {
  double worst = 0;
  double largest = 1e-30;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - expected[i]);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

}  // namespace pelton
