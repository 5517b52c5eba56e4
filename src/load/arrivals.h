// When requests come, pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"

namespace pelton {

// `count` times from 0 on, ascending, `rate` a second on average. `burstiness` is the shape of the gamma distribution
// of the gaps, as in vLLM's benchmark: 1 a Poisson process, below 1 in bursts, above 1 more even.
// Preconditions: rate > 0, burstiness > 0.
std::vector<Duration> arrival_times(double rate, double burstiness, int64_t count, Rng& rng);

}  // namespace pelton
