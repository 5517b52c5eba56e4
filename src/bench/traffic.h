// Requests that arrive over time, made up by a seed: load for a simulated or a real server.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/rng.h"
#include "engine/request.h"

namespace pelton {

struct TrafficOptions {
  double requests_per_second = 10;  // Poisson arrivals
  // Lengths are spread exponentially around these means: at least 1 token, at most ten means.
  int64_t prompt_tokens_mean = 200;
  int64_t answer_tokens_mean = 100;
  int64_t shared_prefix_tokens = 0;  // before each prompt, one of `prefix_count` that many requests share
  int64_t prefix_count = 1;
  int64_t client_count = 1;
  double first_client_share =
      0;  // of the requests come from client 0, the rest from the others alike; 0: from all alike
  uint64_t seed = 1;
};

struct TrafficRequest {
  TimePoint arrival;
  int64_t prompt_tokens = 0;  // with the shared prefix
  int64_t answer_tokens = 0;
  uint64_t client = 0;
  uint64_t prefix = 0;
};

class Traffic {
 public:
  explicit Traffic(const TrafficOptions& options) : options_(options), rng_(options.seed) {}
  TrafficRequest next();

 private:
  double exponential(double mean);
  int64_t length(int64_t mean);

  TrafficOptions options_;
  Rng rng_;
  double now_seconds_ = 0;
};

}  // namespace pelton
