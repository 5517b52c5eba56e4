// The experiment with which finetuning should begin (Chip Huyen, AI Engineering 2025, chapter 8, "Data Quantity"): a
// model is finetuned on growing parts of some 100 examples, several times each, and asked the same held-out questions
// after every run. What that says is found by find_pilot_results().
//
// A seed orders a set's records once; its parts are the first so many of these, so that each holds the one before. With
// the same seed sets of equal size are ordered alike, which pairs a set with a rewritten one record by record. The
// model without finetuning is asked too: as it is, and, for each seed and set, behind some examples of the set that the
// seed draws (train/pilot/few_shots.h). A run learns as `pelton tune` does, by Trainer, and leaves nothing but one file
// of its scores in FOLDER/runs, written whole or not at all, under a name that follows from all that decides them:
// model, records, size, recipe, seed, examples shown and eval. So a pilot goes on after a kill with the runs that are
// not there yet, and larger ones take over what smaller ones found.
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
#include "train/pilot/eval_leaks.h"
#include "train/pilot/few_shots.h"
#include "train/pilot/pilot_scores.h"
#include "train/recipe.h"
#include "train/record_reader.h"
#include "train/tune_run.h"

namespace pelton {

struct PilotOptions {
  static constexpr int64_t kSizeMax = 100;   // the largest by default: the pilot's usual end
  static constexpr int64_t kRecordsMin = 8;  // of a set, where sizes are not given
  static constexpr int64_t kShotCount = 5;   // as benchmarks show (MMLU: Hendrycks et al. 2021, arXiv 2009.03300)

  std::vector<TuneRecipe> recipes;  // one a set (make_pilot_recipes()), each with its seed: the first of seed_count
  std::vector<int64_t> sizes;       // any order; empty: an eighth, a quarter, half and all of up to kSizeMax records
  int64_t seed_count = 3;
  // Examples before each question, in the baseline with examples. 0: there is none. Absent: kShotCount, or none where
  // they cannot be shown, which a note says.
  std::optional<int64_t> shot_count;
  std::filesystem::path folder;
};

struct PilotRun {
  std::optional<size_t> set;  // absent: the model without finetuning
  int64_t size = 0;
  uint64_t seed = 0;
  int64_t shot_count = 0;  // above 0: the model without finetuning, behind so many examples of the set
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
  // Reads data and eval. Errors: those of ExampleReader; kInvalidArgument: no record in the eval, a set with fewer
  // records than the largest size (says how many of them the eval has too, which are left out); kResourceExhausted: the
  // runs would need more memory than there is; where shot_count is given, those of FewShots.
  Pilot(std::shared_ptr<const ModelBundle> bundle, PilotOptions options);

  // All of them, in the order in which they are done.
  const std::vector<PilotRun>& runs() const { return runs_; }
  // Of these, those whose file was not there, and how many there were.
  const std::vector<PilotRun>& missing_runs() const { return missing_runs_; }
  int64_t found_count() const { return static_cast<int64_t>(runs_.size() - missing_runs_.size()); }
  // For people: what was skipped, left out, or found.
  std::vector<std::string> notes() const;
  // Sizes, seeds and sets, with the scores of all runs that are done.
  const PilotScores& scores() const { return scores_; }
  // Roughly what a run takes, in tokens that go forwards: how runs compare, to tell from some how long others take.
  double work_of(const PilotRun& run) const;

  // Does the runs whose file is not there. False: stopped on demand; those that were done are kept. Errors: those of
  // Trainer; kIo.
  bool run(Executor& executor, const PilotListener& listener);

 private:
  // The baseline with examples, of one set.
  struct ShotSet {
    std::vector<FewShots> by_seed;
    int64_t token_count = 0;  // of all questions, the mean of seeds
  };

  void read_evaluation();
  void read_set(size_t set);
  void choose_sizes();
  void prepare_shots();
  void try_shots();
  void try_shots_of(size_t set);
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
  // Of the eval, as a run is asked them.
  std::vector<Example> questions_of(const PilotRun& run, size_t begin, size_t count) const;
  std::vector<Example> examples_of(const PilotRun& run) const;
  TuneRecipe recipe_of(const PilotRun& run) const;
  json::object key_of(const PilotRun& run) const;
  std::filesystem::path file_of(const json::object& key) const;
  AnswerScores& place_of(const PilotRun& run);
  size_t seed_index(const PilotRun& run) const;

  std::shared_ptr<const ModelBundle> bundle_;
  PilotOptions options_;
  std::vector<std::vector<Example>> examples_;  // by set
  std::vector<std::string> fingerprints_;       // of these
  std::vector<Example> evaluation_;
  std::string evaluation_fingerprint_;
  EvalLeaks leaks_;
  // Where the baseline with examples is wanted; fewer than examples: some lie in files of tokens.
  std::vector<Record> evaluation_records_;
  std::vector<std::vector<std::vector<Record>>> shots_;  // by set, then by seed
  std::vector<ShotSet> shot_sets_;                       // by set; empty: there is no such baseline
  std::string no_shots_;                                 // why not; empty: nobody wants it, or there is one
  RecordCounts counts_;
  std::vector<PilotRun> runs_;
  std::vector<PilotRun> missing_runs_;
  PilotScores scores_;
};

}  // namespace pelton
