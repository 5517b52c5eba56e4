#include "train/pilot/pilot.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"
#include "train/data_order.h"
#include "train/pilot/pilot_recipe.h"
#include "train/run_identity.h"
#include "train/trainer.h"
#include "train/tune_memory.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kRunBytesMax = uint64_t{1} << 30;
// Answers between two questions whether to stop.
constexpr size_t kScoredAtOnce = 16;

std::string name_of(const TuneRecipe& recipe) {
  std::string name;
  for (const std::string& path : recipe.data) name += (name.empty() ? "" : ",") + path;
  return name;
}

double mean_loss(const AnswerScores& scores) {
  double nll = 0, tokens = 0;
  for (const AnswerScore& score : scores) {
    nll += score.nll;
    tokens += static_cast<double>(score.token_count);
  }
  return nll / tokens;
}

// Error kInvalidArgument.
void check_kind(std::span<const Example> examples) {
  for (const Example& example : examples) {
    if (example.sequences.size() == 1 && !example.is_desirable) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: a pilot learns from chats, completions or texts", example.place), "data");
  }
}

json::array to_json(const AnswerScores& scores) {
  json::array array;
  for (const AnswerScore& score : scores) {
    array.push_back(json::array{score.nll, score.token_count, score.is_greedy});
  }
  return array;
}

// Error kCorruptFile.
AnswerScores read_run(const fs::path& path, size_t record_count) try {
  const json::value whole = parse_json(read_file(path, kRunBytesMax), path.string(), {.bytes_max = kRunBytesMax});
  AnswerScores scores;
  for (const json::value& one : whole.at("answers").as_array()) {
    scores.push_back({.nll = one.at(0).to_number<double>(),
                      .token_count = one.at(1).to_number<int64_t>(),
                      .is_greedy = one.at(2).as_bool()});
  }
  if (scores.size() != record_count) throw std::out_of_range("answers");
  return scores;
} catch (const std::exception& error) {
  throw Error(ErrorCode::kCorruptFile,
              fmt::format("{} is no finished run of a pilot ({}); remove it", path.string(), error.what()));
}

// An eighth, a quarter, half and all.
std::vector<int64_t> default_sizes(int64_t largest) { return {largest / 8, largest / 4, largest / 2, largest}; }

}  // namespace

Pilot::Pilot(std::shared_ptr<const ModelBundle> bundle, PilotOptions options)
    : bundle_(std::move(bundle)), options_(std::move(options)) {
  CHECK(!options_.recipes.empty() && options_.seed_count > 0);
  read_sets();
  choose_sizes();
  for (int64_t i = 0; i < options_.seed_count; ++i) {
    scores_.seeds.push_back(static_cast<uint64_t>(options_.recipes[0].seed + i));
  }
  for (PilotSetScores& set : scores_.sets) {
    set.runs.assign(scores_.sizes.size(), std::vector<AnswerScores>(scores_.seeds.size()));
  }
  list_runs();
  find_runs();
}

void Pilot::read_sets() {
  for (size_t set = 0; set < options_.recipes.size(); ++set) {
    const TuneRecipe& recipe = options_.recipes[set];
    TuneData data = read_tune_data(bundle_, recipe);
    if (data.records.skipped > 0 && skipped_.empty()) {
      skipped_ = fmt::format("{} records skipped; the first: {}", data.records.skipped, data.records.first_skipped);
    }
    if (data.evaluation.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "the eval has no record to measure by", "eval_data");
    }
    check_kind(data.examples);
    check_kind(data.evaluation);
    if (set == 0) {
      evaluation_ = data.evaluation;
      evaluation_fingerprint_ = fingerprint_of(evaluation_);
    }
    scores_.sets.push_back({.name = name_of(recipe), .runs = {}});
    leave_out_what_the_eval_has(set, data.examples);
    scores_.sets[set].record_count = static_cast<int64_t>(data.examples.size());
    if (!data.examples.empty()) check_memory(recipe, data);
    fingerprints_.push_back(fingerprint_of(data.examples));
    examples_.push_back(std::move(data.examples));
  }
}

void Pilot::leave_out_what_the_eval_has(size_t set, std::vector<Example>& examples) {
  std::set<std::string> held_out;
  for (const Example& example : evaluation_) held_out.insert(fingerprint_of({&example, 1}));
  scores_.sets[set].leaked_count = static_cast<int64_t>(std::erase_if(examples, [&](const Example& example) {
    return held_out.contains(fingerprint_of({&example, 1}));
  }));
}

void Pilot::check_memory(const TuneRecipe& recipe, const TuneData& data) const {
  const TuneMemory memory({}, bundle_->model, recipe, data);
  if (!memory.fits()) throw Error(ErrorCode::kResourceExhausted, memory.refusal());
}

void Pilot::choose_sizes() {
  const auto smallest = std::min_element(
      scores_.sets.begin(), scores_.sets.end(),
      [](const PilotSetScores& a, const PilotSetScores& b) { return a.record_count < b.record_count; });
  std::vector<int64_t>& sizes = scores_.sizes;
  sizes = options_.sizes;
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  const int64_t needed = sizes.empty() ? PilotOptions::kRecordsMin : sizes.back();
  if (smallest->record_count < needed) {
    const std::string leaked =
        smallest->leaked_count > 0 ? fmt::format(", without {} that the eval has too", smallest->leaked_count) : "";
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} records to learn from{}; {} are needed", smallest->name, smallest->record_count,
                            leaked, needed),
                "sizes");
  }
  if (sizes.empty()) sizes = default_sizes(std::min(smallest->record_count, PilotOptions::kSizeMax));
}

// Seed by seed, so that the first whole curve is there after a part of the time.
void Pilot::list_runs() {
  runs_.push_back({.set = std::nullopt, .size = 0, .seed = scores_.seeds.front()});
  for (const uint64_t seed : scores_.seeds) {
    for (const int64_t size : scores_.sizes) {
      for (size_t set = 0; set < scores_.sets.size(); ++set) runs_.push_back({.set = set, .size = size, .seed = seed});
    }
  }
}

void Pilot::find_runs() {
  for (const PilotRun& run : runs_) {
    const fs::path file = file_of(key_of(run));
    if (!fs::exists(file)) continue;
    place_of(run) = read_run(file, evaluation_.size());
    ++found_count_;
  }
}

std::vector<std::string> Pilot::notes() const {
  std::vector<std::string> notes;
  if (!skipped_.empty()) notes.push_back(skipped_);
  for (const PilotSetScores& set : scores_.sets) {
    if (set.leaked_count == 0) continue;
    notes.push_back(fmt::format("{}: {} records that the eval has too are left out", set.name, set.leaked_count));
  }
  if (found_count_ > 0) notes.push_back(fmt::format("{} of {} runs are there already", found_count_, runs_.size()));
  return notes;
}

AnswerScores& Pilot::place_of(const PilotRun& run) {
  if (!run.set) return scores_.base;
  const auto size = std::find(scores_.sizes.begin(), scores_.sizes.end(), run.size) - scores_.sizes.begin();
  const auto seed = std::find(scores_.seeds.begin(), scores_.seeds.end(), run.seed) - scores_.seeds.begin();
  return scores_.sets[*run.set].runs[static_cast<size_t>(size)][static_cast<size_t>(seed)];
}

TuneRecipe Pilot::recipe_of(const PilotRun& run) const {
  TuneRecipe recipe = options_.recipes[run.set.value_or(0)];
  recipe.seed = static_cast<int64_t>(run.seed);
  return recipe;
}

json::object Pilot::key_of(const PilotRun& run) const {
  return {{"pelton", kVersion},
          {"model", identity_of(*bundle_)},
          {"recipe", pilot_recipe_to_json(recipe_of(run))},
          {"data_fnv1a64", run.set ? json::value(fingerprints_[*run.set]) : json::value(nullptr)},
          {"size", run.size},
          {"evaluation_fnv1a64", evaluation_fingerprint_}};
}

fs::path Pilot::file_of(const json::object& key) const {
  return options_.folder / "runs" / (fingerprint_of(to_json_text(key)) + ".json");
}

std::vector<Example> Pilot::examples_of(const PilotRun& run) const {
  const std::vector<Example>& all = examples_[run.set.value_or(0)];
  DataOrder order(static_cast<int64_t>(all.size()), {.shuffles = true, .seed = run.seed});
  std::vector<Example> examples;
  // The model without finetuning is a run of no step, which needs an example all the same.
  for (int64_t i = 0; i < std::max<int64_t>(1, run.size); ++i)
    examples.push_back(all[static_cast<size_t>(order.at(i))]);
  return examples;
}

std::optional<Pilot::DoneRun> Pilot::do_run(Executor& executor, const PilotRun& run,
                                            const PilotListener& listener) const {
  const TuneRecipe recipe = recipe_of(run);
  Trainer trainer(executor, bundle_->model, recipe, examples_of(run));
  DoneRun done;
  done.step_count = run.set ? trainer.step_count() : 0;
  while (trainer.steps_done() < done.step_count) {
    listener.on_step(run, trainer.steps_done(), done.step_count);
    if (listener.wants_stop()) return std::nullopt;
    done.training_loss = trainer.step().loss;
  }
  for (size_t begin = 0; begin < evaluation_.size(); begin += kScoredAtOnce) {
    listener.on_step(run, done.step_count, done.step_count);
    if (listener.wants_stop()) return std::nullopt;
    const size_t count = std::min(kScoredAtOnce, evaluation_.size() - begin);
    const AnswerScores some = trainer.score_answers(std::span(evaluation_).subspan(begin, count));
    done.scores.insert(done.scores.end(), some.begin(), some.end());
  }
  return done;
}

bool Pilot::run(Executor& executor, const PilotListener& listener) {
  std::error_code error;
  fs::create_directories(options_.folder / "runs", error);
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("making {} failed: {}", options_.folder.string(), error.message()));
  }
  for (const PilotRun& run : runs_) {
    AnswerScores& scores = place_of(run);
    if (!scores.empty()) continue;
    std::optional<DoneRun> done = do_run(executor, run, listener);
    if (!done) return false;
    const json::object key = key_of(run);
    json::object file = {{"key", key},
                         {"data", run.set ? json::value(scores_.sets[*run.set].name) : json::value(nullptr)},
                         {"steps", done->step_count},
                         {"answers", to_json(done->scores)}};
    if (done->training_loss) file["training_loss"] = *done->training_loss;
    replace_file(file_of(key), to_json_text(file) + "\n");
    // As read: writing may round, and what is found is the same with a kill and without.
    scores = read_run(file_of(key), evaluation_.size());
    listener.on_run(run, mean_loss(scores));
  }
  return true;
}

}  // namespace pelton
