// A training run from a recipe to an adapter's folder: reads the data, trains, logs, keeps checkpoints, goes on after a
// kill where the last one was, and writes its output at once when all is done.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "model/bundle.h"
#include "ops/executor.h"
#include "train/record_reader.h"
#include "train/trainer.h"

namespace pelton {

struct TuneData {
  std::vector<Example> examples;
  RecordCounts records;
  std::vector<Example> evaluation;  // of eval_data
};
// Errors: those of read_records() and ExampleEncoder.
TuneData read_tune_data(const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe);

struct TuneListener {
  std::function<void(const std::string& note)> on_note;                       // for people
  std::function<void(const json::object& line, int64_t step_count)> on_step;  // the log's line
  std::function<void(const json::object& line)> on_evaluation;                // likewise
  std::function<void(const json::object& line)> on_samples;                   // likewise
  std::function<bool()> wants_stop;                                           // asked after each step
};

// One thread at a time. Keeps references to all that it is given.
class TuneRun {
 public:
  // Goes on where a run into the same output was. Errors: those of Trainer and RunFolder; kInvalidArgument: the run
  // that was begun there has another recipe, other data, or another model.
  TuneRun(Executor& executor, std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe, TuneData data,
          const TuneListener& listener, const Clock& clock);
  ~TuneRun();
  TuneRun(const TuneRun&) = delete;
  TuneRun& operator=(const TuneRun&) = delete;

  int64_t step_count() const;
  // True: all steps are done. False: stopped on demand, with a checkpoint. Errors: those of Trainer and RunFolder.
  bool train();
  // Call after train() said true. The executor may be another one. Errors: those of the method; kIo.
  void write_output(Executor& executor);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// All of that. True: the output is there.
bool run_tuning(Executor& executor, const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe,
                TuneData data, const TuneListener& listener, const Clock& clock);

}  // namespace pelton
