// Takes all records of a recipe's inputs through its steps.
//
// What is written lies in a folder beside the output, OUTPUT-STEM.pelton-run, until all of it is there; then everything
// gets its name and the folder goes. Whoever runs a recipe whose folder is left from a killed run goes on from its last
// checkpoint, if recipe and inputs are the same ones, and gets the same bytes as a run that nobody killed.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "data/block_reader.h"
#include "data/recipe.h"
#include "data/run_state.h"

namespace pelton::data {

struct RunProgress {
  size_t phase = 0;
  size_t phase_count = 0;
  double part_done = 0;      // of this phase, by bytes of its input files
  uint64_t phase_bytes = 0;  // that went through since this process began the phase
  const RunCounts& counts;
};

struct RunOptions {
  size_t thread_count = 1;
  size_t block_bytes = BlockReaderOptions().block_bytes;
  uint64_t checkpoint_bytes = uint64_t{64} << 20;  // of input, between two
  uint64_t block_stride = 1;                       // 100: a hundredth of the input, evenly: for a look at what would be
  bool is_trial = false;                           // steps leave nothing behind: no index grows
  bool keeps_going = true;                         // false: begins anew where a killed run could go on
  std::function<bool()> should_stop;               // asked now and then, on any thread
  std::function<void(const RunProgress&)> on_progress;  // one call at a time, on any thread
  std::function<void(std::string_view)> on_note;        // a sentence for people
};

struct OutputFile {
  std::string role;  // output, dropped, lineage, quarantine
  std::string path;
  uint64_t bytes = 0;
};

struct RunReport {
  RunCounts counts;
  std::vector<OutputFile> files;
  std::string manifest_path;
};

// Errors: kNotFound, kIo; kUnavailable, where another process runs the same recipe; kCancelled, where should_stop said
// so: the next run goes on from there.
RunReport run_recipe(const Recipe& recipe, const RunOptions& options);

}  // namespace pelton::data
