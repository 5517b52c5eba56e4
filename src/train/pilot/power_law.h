// The curve of diminishing returns: what a loss becomes as the data grow, and what is left however many there are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace pelton {

// loss(n) = a + b · n^-c (Hestness et al. 2017, arXiv 1712.00409; Kaplan et al. 2020, arXiv 2001.08361).
struct PowerLaw {
  double a = 0;
  double b = 0;
  double c = 1;

  // size: above 0.
  double at(double size) const;
};

struct CurvePoint {
  int64_t size;  // examples, above 0
  double loss;
};

struct PowerLawFit {
  // Losses are not below 0 and do not rise with the data. Exponents that were found are from 0.07 to 0.5 (Hestness et
  // al. 2017, table 1); a first hundred examples, of which each is new, may bring more.
  static constexpr double kExponentMin = 0.05;
  static constexpr double kExponentMax = 2;
  static constexpr size_t kSizesMin = 3;  // as many as the law has unknowns

  PowerLaw law;             // b = 0: it is flat, or the losses rise
  double explained = 0;     // R²: share of the variance of all points; 0 where they are all the same
  double residual_rms = 0;  // of all points, in the loss's unit
};

// The least squares, a ≥ 0, b ≥ 0, c within its bounds; points of one size count each. None: fewer sizes than
// kSizesMin, so that many curves would go through the points.
std::optional<PowerLawFit> fit_power_law(std::span<const CurvePoint> points);

}  // namespace pelton
