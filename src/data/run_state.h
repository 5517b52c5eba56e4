// Where a run stands: what it writes into a checkpoint, and reads to go on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/block_reader.h"
#include "data/record.h"

namespace pelton::data {

// What a step did, by reason.
struct StepCounts {
  uint64_t seen = 0;
  uint64_t dropped = 0;
  uint64_t changed = 0;
  std::map<std::string, uint64_t, std::less<>> reasons;  // of drops and changes

  void add(const StepCounts& other);
};

struct RunCounts {
  uint64_t input_bytes = 0;  // lines, unpacked
  uint64_t records = 0;      // read
  uint64_t bad_lines = 0;    // in quarantine
  uint64_t kept = 0;         // written
  uint64_t kept_bytes = 0;   // of them, unpacked
  std::map<std::string, uint64_t, std::less<>> formats;
  std::vector<StepCounts> steps;

  void add(const RunCounts& other);
};

// One of the inputs that was read to its end.
struct ReadFile {
  std::string hash;
  uint64_t lines = 0;
};

struct RunState {
  size_t phase = 0;
  ReaderPosition position;    // in the phase's input
  uint64_t block_count = 0;   // of the phase's input, done
  uint64_t record_count = 0;  // of the phase's input, done
  uint64_t decision_offset = 0;
  std::map<std::string, uint64_t, std::less<>> file_bytes;  // by the file's name in the run's folder
  RunCounts counts;
  std::vector<ReadFile> read_files;
  uint64_t input_lines = 0;  // of the file that is being read
  std::string input_hash;    // RunningHash::save(), of the file that is being read
  std::string output_hash;

  json::object to_json() const;
  static RunState from_json(const json::object& object);
};

json::object to_json(const StepCounts& counts);
json::object to_json(const RunCounts& counts);

}  // namespace pelton::data
