// What a scheduling policy would make of a load, on a machine that is described by how long its steps take: the
// engine's own Scheduler under a clock that only counts. Hours of traffic in seconds, the same numbers for the same
// seed.
//
// What is left out: sampling and the network (parts of a step's time, where that was measured with them), stop
// strings and end tokens (an answer has the length that the traffic says), and clients that give up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "bench/traffic.h"
#include "engine/scheduler.h"

namespace pelton {

struct SimulatedRun {
  TrafficOptions traffic;
  int64_t request_count = 100'000;
  SchedulerOptions scheduling;  // with the machine's step_times
  ServiceLevel service_level;   // by which goodput is counted, whether or not the scheduler knows it
  bool caches_prefixes = true;
};

struct LatencySummary {
  double mean_ms = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
};

struct SimulatedResult {
  double seconds = 0;  // until the last answer was finished
  double requests_per_second = 0;
  double tokens_per_second = 0;   // of answers
  double goodput_per_second = 0;  // requests that kept the service level
  double goodput_share = 0;       // of all requests
  LatencySummary ttft;
  LatencySummary tpot;               // of answers of two tokens or more
  LatencySummary first_client_ttft;  // client 0's
  int64_t step_count = 0;
  double rows_per_step = 0;
  double cached_share = 0;  // of prompt tokens
  int64_t preemption_count = 0;
};

// Error kInvalidArgument: the largest request does not fit into the pages.
SimulatedResult simulate(const SimulatedRun& run);

// Step times from the JSON that `pelton bench model --json` prints: a line through the decode results by batch, and the
// prefill on top. Error kInvalidArgument: fewer than two batches, or no prefill.
StepTimes step_times_of_bench(const json::value& bench, int64_t step_token_count_max);

}  // namespace pelton
