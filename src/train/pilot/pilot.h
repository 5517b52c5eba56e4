// The experiment with which finetuning should begin (Chip Huyen, AI Engineering 2025, chapter 8, "Data Quantity"): a
// model is finetuned on growing parts of some 100 examples, several times each, and asked the same held-out questions
// after every run. What that says is found by find_pilot_results().
//
// A seed orders a set's records once; its parts are the first so many of these, so that each holds the one before. With
// the same seed sets of equal size are ordered alike, which pairs a set with a rewritten one record by record. A run
// learns as `pelton tune` does, by Trainer, and leaves nothing but one file of its scores in FOLDER/runs, written whole
// or not at all, under a name that follows from all that decides them: model, records, size, recipe, seed and eval. So
// a pilot goes on after a kill with the runs that are not there yet, and larger ones take over what smaller ones found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/bundle.h"
#include "ops/executor.h"
#include "train/example.h"
#include "train/pilot/pilot_scores.h"
#include "train/recipe.h"
#include "train/tune_run.h"

namespace pelton {

struct PilotOptions {
  static constexpr int64_t kSizeMax = 100;   // the largest by default: the pilot's usual end
  static constexpr int64_t kRecordsMin = 8;  // of a set, where sizes are not given

  std::vector<TuneRecipe> recipes;  // one a set (make_pilot_recipes()), each with its seed: the first of seed_count
  std::vector<int64_t> sizes;       // any order; empty: an eighth, a quarter, half and all of up to kSizeMax records
  int64_t seed_count = 3;
  std::filesystem::path folder;
};

struct PilotRun {
  std::optional<size_t> set;  // absent: the model without finetuning
  int64_t size = 0;
  uint64_t seed = 0;
};

struct PilotListener {
  // Before the first step and after each, and now and then while answers are scored.
  std::function<void(const PilotRun& run, int64_t step, int64_t step_count)> on_step;
  std::function<void(const PilotRun& run, double loss)> on_run;  // it is done: mean loss of an answer's token
  std::function<bool()> wants_stop;                              // asked as often as on_step is called
};

// One thread at a time.
class Pilot {
 public:
  // Reads data and eval. Errors: those of read_tune_data(); kInvalidArgument: no record in the eval, a set with fewer
  // records than the largest size (says how many of them the eval has too, which are left out);
  // kResourceExhausted: the runs would need more memory than there is.
  Pilot(std::shared_ptr<const ModelBundle> bundle, PilotOptions options);

  // All of them, in the order in which they are done.
  const std::vector<PilotRun>& runs() const { return runs_; }
  // Of these, those whose file was there.
  int64_t found_count() const { return found_count_; }
  // For people: what was skipped, left out, or found.
  std::vector<std::string> notes() const;
  // Sizes, seeds and sets, with the scores of all runs that are done.
  const PilotScores& scores() const { return scores_; }

  // Does the runs whose file is not there. False: stopped on demand; those that were done are kept. Errors: those of
  // Trainer; kIo.
  bool run(Executor& executor, const PilotListener& listener);

 private:
  void read_sets();
  void leave_out_what_the_eval_has(size_t set, std::vector<Example>& examples);
  void choose_sizes();
  void list_runs();
  void find_runs();
  void check_memory(const TuneRecipe& recipe, const TuneData& data) const;
  struct DoneRun {
    AnswerScores scores;
    int64_t step_count = 0;
    std::optional<double> training_loss;  // of the last step
  };
  // None: stopped on demand.
  std::optional<DoneRun> do_run(Executor& executor, const PilotRun& run, const PilotListener& listener) const;
  std::vector<Example> examples_of(const PilotRun& run) const;
  TuneRecipe recipe_of(const PilotRun& run) const;
  json::object key_of(const PilotRun& run) const;
  std::filesystem::path file_of(const json::object& key) const;
  AnswerScores& place_of(const PilotRun& run);

  std::shared_ptr<const ModelBundle> bundle_;
  PilotOptions options_;
  std::vector<std::vector<Example>> examples_;  // by set
  std::vector<std::string> fingerprints_;       // of these
  std::vector<Example> evaluation_;
  std::string evaluation_fingerprint_;
  std::string skipped_;  // a note on bad records; empty: there are none
  std::vector<PilotRun> runs_;
  int64_t found_count_ = 0;
  PilotScores scores_;
};

}  // namespace pelton
