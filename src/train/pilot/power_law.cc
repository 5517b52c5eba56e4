#include "train/pilot/power_law.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/check.h"

namespace pelton {
namespace {

// All points of one size: for the least squares their mean says all, as often as there are points.
struct SizeMean {
  double size;
  double loss = 0;
  double count = 0;
};

std::vector<SizeMean> means_of(std::span<const CurvePoint> points) {
  std::map<int64_t, SizeMean> by_size;
  for (const CurvePoint& point : points) {
    CHECK(point.size > 0);
    SizeMean& mean = by_size.try_emplace(point.size, SizeMean{static_cast<double>(point.size)}).first->second;
    mean.count += 1;
    mean.loss += (point.loss - mean.loss) / mean.count;
  }
  std::vector<SizeMean> means;
  for (const auto& [size, mean] : by_size) means.push_back(mean);
  return means;
}

double squared_error(std::span<const SizeMean> means, const PowerLaw& law) {
  double sum = 0;
  for (const SizeMean& mean : means) sum += mean.count * std::pow(mean.loss - law.at(mean.size), 2);
  return sum;
}

// Given c the law is a straight line over x = (n / smallest)^-c: its two numbers are known, and where a bound cuts
// them off, the best on the bound is.
PowerLaw best_with_exponent(std::span<const SizeMean> means, double c) {
  const double smallest = means.front().size;
  double count = 0, x_sum = 0, y_sum = 0;
  for (const SizeMean& mean : means) {
    count += mean.count;
    x_sum += mean.count * std::pow(mean.size / smallest, -c);
    y_sum += mean.count * mean.loss;
  }
  const double x_mean = x_sum / count, y_mean = y_sum / count;
  double xx = 0, xy = 0, xx_from_zero = 0, xy_from_zero = 0;
  for (const SizeMean& mean : means) {
    const double x = std::pow(mean.size / smallest, -c);
    xx += mean.count * (x - x_mean) * (x - x_mean);
    xy += mean.count * (x - x_mean) * (mean.loss - y_mean);
    xx_from_zero += mean.count * x * x;
    xy_from_zero += mean.count * x * mean.loss;
  }
  double slope = std::max(0.0, xy / xx);
  double level = y_mean - slope * x_mean;
  if (level < 0) {
    level = 0;
    slope = std::max(0.0, xy_from_zero / xx_from_zero);
  }
  return {.a = level, .b = slope * std::pow(smallest, c), .c = c};
}

// The least squared error over c: the best of a grid, then between its neighbours by golden sections (Kiefer 1953).
PowerLaw best_law(std::span<const SizeMean> means) {
  constexpr int kGridCount = 48;
  constexpr int kSectionCount = 32;  // 0.618^32: 2e-7 of the grid's distance
  const double step = std::log(PowerLawFit::kExponentMax / PowerLawFit::kExponentMin) / (kGridCount - 1);
  const auto law_at = [&](double log_c) { return best_with_exponent(means, std::exp(log_c)); };
  const auto error_at = [&](double log_c) { return squared_error(means, law_at(log_c)); };
  const double first = std::log(PowerLawFit::kExponentMin), last = std::log(PowerLawFit::kExponentMax);
  double best = first, least = error_at(first);
  for (int i = 1; i < kGridCount; ++i) {
    const double log_c = first + i * step;
    if (const double error = error_at(log_c); error < least) {
      least = error;
      best = log_c;
    }
  }
  constexpr double kGolden = 0.6180339887498949;
  double low = std::max(first, best - step), high = std::min(last, best + step);
  for (int i = 0; i < kSectionCount; ++i) {
    const double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
    if (error_at(left) <= error_at(right)) {
      high = right;
    } else {
      low = left;
    }
  }
  const double middle = (low + high) / 2;
  return law_at(error_at(middle) < least ? middle : best);
}

}  // namespace

double PowerLaw::at(double size) const { return a + b * std::pow(size, -c); }

std::optional<PowerLawFit> fit_power_law(std::span<const CurvePoint> points) {
  const std::vector<SizeMean> means = means_of(points);
  if (means.size() < PowerLawFit::kSizesMin) return std::nullopt;
  PowerLawFit fit;
  fit.law = best_law(means);
  double mean = 0, error = 0, variance = 0;
  for (const CurvePoint& point : points) mean += point.loss / static_cast<double>(points.size());
  for (const CurvePoint& point : points) {
    error += std::pow(point.loss - fit.law.at(static_cast<double>(point.size)), 2);
    variance += std::pow(point.loss - mean, 2);
  }
  // A flat line explains nothing; rounding must not make it a little more or less than that.
  fit.explained = fit.law.b > 0 && variance > 0 ? std::max(0.0, 1 - error / variance) : 0;
  fit.residual_rms = std::sqrt(error / static_cast<double>(points.size()));
  return fit;
}

}  // namespace pelton
