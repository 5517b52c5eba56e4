#include "load/arrivals.h"

#include <cmath>

#include "base/check.h"

namespace pelton {
namespace {

double positive_uniform(Rng& rng) { return 1.0 - rng.next_double(); }  // (0, 1]

double normal(Rng& rng) {
  constexpr double kTwoPi = 6.283185307179586;
  return std::sqrt(-2.0 * std::log(positive_uniform(rng))) * std::cos(kTwoPi * rng.next_double());
}

// Of mean `shape` (Marsaglia and Tsang 2000; below 1 by their boost from shape + 1).
double gamma(double shape, Rng& rng) {
  if (shape < 1) return gamma(shape + 1, rng) * std::pow(positive_uniform(rng), 1 / shape);
  const double d = shape - 1.0 / 3.0;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(rng);
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(positive_uniform(rng)) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

std::vector<Duration> arrival_times(double rate, double burstiness, int64_t count, Rng& rng) {
  CHECK(rate > 0 && burstiness > 0);
  std::vector<Duration> times;
  times.reserve(static_cast<size_t>(count));
  double now = 0;
  for (int64_t i = 0; i < count; ++i) {
    now += gamma(burstiness, rng) / burstiness / rate;
    times.push_back(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(now)));
  }
  return times;
}

}  // namespace pelton
