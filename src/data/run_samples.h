// What each step of a run did, with records to look at: read from what the run has left beside its output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/run_state.h"

namespace pelton::data {

struct RecordSample {
  std::string id;
  std::string reason;
  std::string detail;
  std::string text;  // the beginning, as it was read; empty where the input is not there any more
  std::string
      written;  // of one that was changed: the beginning of what it has become; empty where it was dropped later
  std::string duplicate_of;
  std::string duplicate_text;  // empty: not in the output (dropped later, or of an earlier data set)
  std::optional<double> similarity;
};

struct StepSamples {
  std::string step;
  StepCounts counts;
  std::vector<RecordSample> dropped;  // some for each reason
  std::vector<RecordSample> changed;
};

struct RunSamples {
  uint64_t records = 0;
  uint64_t bad_lines = 0;
  uint64_t kept = 0;
  std::vector<StepSamples> steps;  // as in the recipe
  std::vector<RecordSample> kept_samples;
};

struct RunSampleOptions {
  size_t per_reason_max = 3;
  size_t kept_max = 8;
  uint64_t seed = 0;
};

// nullopt: no run has written `output` (there is no manifest beside it). Reads the run's files and those of its inputs
// that are still there. Errors: kCorruptFile, kIo.
std::optional<RunSamples> sample_run(const std::string& output, const RunSampleOptions& options);

json::object to_json(const RunSamples& samples);

}  // namespace pelton::data
