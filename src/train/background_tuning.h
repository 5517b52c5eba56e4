// A training run in a process that answers requests meanwhile: its data are read, its memory is checked and its steps
// are computed on threads of the lowest priority, which give way (ops/give_way.h) while others compute. The output is
// written on the caller's thread: it is small, somebody waits for it, and the low threads might not run for long.
//
// The base's weights are the bundle's own, as they lie in its file: nothing of them is copied.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "train/tune_run.h"

namespace pelton {

struct TuneSize {
  int64_t record_count;
  int64_t token_count;  // of all records, once
  int64_t step_count;   // of all, those done before a restart among them
};

struct BackgroundTuning {
  std::shared_ptr<const ModelBundle> bundle;
  TuneRecipe recipe;
  TuneListener listener;                              // called on the thread that trains
  std::function<void(const TuneSize&)> on_beginning;  // before the first step, on that thread
  std::function<void()> on_output;                    // the output is there; on the caller's thread
  std::function<bool()> is_busy;                      // whether requests are computed; on the thread that trains
  int thread_count = 0;                               // that train; 0: one a usable core
};

// How tune_in_background() begins: reads the data and checks the memory. Errors: as there.
void check_in_background(const BackgroundTuning& tuning);

// Waits for all of it. True: the output is there. False: stopped on demand, with a checkpoint. Errors: those of
// read_tune_data() and run_tuning(); kResourceExhausted: the run would need more memory than there is (with the sums).
bool tune_in_background(const BackgroundTuning& tuning, const Clock& clock);

}  // namespace pelton
