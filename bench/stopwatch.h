// How the micro-benchmarks time: the fastest of several bursts, because other work on the machine only ever adds.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace pelton {

struct BurstOptions {
  int burst_count = 5;
  double burst_seconds = 0.02;  // long against the clock's resolution
};

// Seconds of one call of `run`.
template <typename Run>
double seconds_of(const BurstOptions& options, Run run) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  run();  // pages, caches, lazily made kernels
  double best = std::numeric_limits<double>::infinity();
  for (int burst = 0; burst < options.burst_count; ++burst) {
    int64_t calls = 0;
    const Clock::time_point start = Clock::now();
    do {
      run();
      ++calls;
    } while (seconds_since(start) < options.burst_seconds);
    best = std::min(best, seconds_since(start) / static_cast<double>(calls));
  }
  return best;
}

}  // namespace pelton
