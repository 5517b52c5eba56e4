// What a run under load says, pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "load/load_run.h"

namespace pelton {

// What a request must keep to count as good. Absent: anything will do.
struct LoadObjective {
  std::optional<Duration> first_token;   // TTFT
  std::optional<Duration> output_token;  // TPOT
  std::optional<Duration> total;         // end to end

  bool is_empty() const { return !first_token && !output_token && !total; }
};
// "ttft=500ms,tpot=60ms,e2e=2s", any of them. Error kUsage.
LoadObjective parse_objective(std::string_view text);

// Milliseconds. By nearest rank: a percentile is a value that was seen.
struct Percentiles {
  int64_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};
Percentiles percentiles_of(std::vector<double> milliseconds);

struct LoadSummary {
  int64_t request_count = 0;
  int64_t failed_count = 0;
  std::map<std::string, int64_t> errors;  // how often each
  double duration_s = 0;                  // begin of the first request → end of the last
  int64_t prompt_token_count = 0;         // of answered requests, as the server counts
  int64_t answer_token_count = 0;         // the same; pieces of text where it does not say
  Percentiles first_token;                // time to the first piece of text (TTFT)
  Percentiles output_token;               // (last piece − first) / (tokens − 1) of each request (TPOT)
  Percentiles inter_token;                // from piece to piece (ITL)
  Percentiles total;
  int64_t good_count = 0;  // answered within the objective

  double per_second(int64_t count) const { return duration_s > 0 ? static_cast<double>(count) / duration_s : 0; }
  double answer_tokens_per_second() const { return per_second(answer_token_count); }
  double attainment() const {
    return request_count > 0 ? static_cast<double>(good_count) / static_cast<double>(request_count) : 0;
  }
};

LoadSummary summarise(std::span<const LoadOutcome> outcomes, const LoadObjective& objective);

// One run of a sweep: what was offered, and what came of it.
struct LoadPoint {
  std::optional<double> rate;           // open load: requests a second
  std::optional<int64_t> client_count;  // closed load
  LoadSummary summary;
};

// The last point of a sweep, in ascending order, up to which the server keeps up: at least 90 % of the requests meet
// the objective; without an objective, each step up brings at least half of what it adds in load as tokens a second.
// Absent: not even the first does.
std::optional<size_t> knee_of(std::span<const LoadPoint> points, const LoadObjective& objective);

std::string to_text(std::span<const LoadPoint> points, const LoadObjective& objective);
json::object to_json(std::span<const LoadPoint> points, const LoadObjective& objective);

}  // namespace pelton
