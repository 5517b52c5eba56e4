#include "train/pilot/pilot.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"
#include "data/reservoir.h"
#include "train/data_order.h"
#include "train/example_reader.h"
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

int64_t token_count_of(std::span<const Example> examples) {
  int64_t count = 0;
  for (const Example& example : examples) count += example.token_count();
  return count;
}

// Errors: those of FewShots::ask(), with the place.
FewShots::Question ask(const FewShots& shots, const Record& record, const Example& plain) try {
  return shots.ask(record, plain);
} catch (const Error& error) {
  throw Error(error.code(), fmt::format("{}: {}", plain.place, error.message()));
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
  for (int64_t i = 0; i < options_.seed_count; ++i) {
    scores_.seeds.push_back(static_cast<uint64_t>(options_.recipes[0].seed + i));
  }
  scores_.shot_count = options_.shot_count.value_or(PilotOptions::kShotCount);
  read_evaluation();
  for (size_t set = 0; set < options_.recipes.size(); ++set) read_set(set);
  choose_sizes();
  prepare_shots();
  for (PilotSetScores& set : scores_.sets) {
    set.runs.assign(scores_.sizes.size(), std::vector<AnswerScores>(scores_.seeds.size()));
    if (scores_.shot_count > 0) set.few_shot.resize(scores_.seeds.size());
  }
  list_runs();
  find_runs();
}

// The same for all sets, whose recipes differ in nothing but their data.
void Pilot::read_evaluation() {
  const TuneRecipe& recipe = options_.recipes[0];
  evaluation_ = ExampleReader(bundle_, recipe)
                    .read(*recipe.eval_data, counts_, [&](const Record* record, const Example& example) {
                      leaks_.add(record, example);
                      if (record != nullptr && scores_.shot_count > 0) evaluation_records_.push_back(*record);
                      return true;
                    });
  if (evaluation_.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "the eval has no record to measure by", "eval_data");
  }
  check_kind(evaluation_);
  evaluation_fingerprint_ = fingerprint_of(evaluation_);
}

void Pilot::read_set(size_t set) {
  const TuneRecipe& recipe = options_.recipes[set];
  PilotSetScores& scores = scores_.sets.emplace_back();
  scores.name = name_of(recipe);
  std::vector<data::Reservoir<Record>> shots;
  for (const uint64_t seed : scores_.seeds) shots.emplace_back(static_cast<size_t>(scores_.shot_count), seed);
  TuneData data;
  data.examples =
      ExampleReader(bundle_, recipe).read(recipe.data, counts_, [&](const Record* record, const Example& example) {
        if (const Leak leak = leaks_.find(record, example); leak != Leak::kNone) {
          ++scores.leaked_count;
          scores.nearly_leaked_count += leak == Leak::kNearlySame ? 1 : 0;
          return false;
        }
        if (record == nullptr || scores_.shot_count == 0) return true;
        for (data::Reservoir<Record>& of_seed : shots) of_seed.offer([&] { return *record; });
        return true;
      });
  check_kind(data.examples);
  scores.record_count = static_cast<int64_t>(data.examples.size());
  data.evaluation = evaluation_;
  if (!data.examples.empty()) check_memory(recipe, data);
  fingerprints_.push_back(fingerprint_of(data.examples));
  examples_.push_back(std::move(data.examples));
  std::vector<std::vector<Record>>& by_seed = shots_.emplace_back();
  for (data::Reservoir<Record>& of_seed : shots) by_seed.push_back(of_seed.take());
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

// Leaves the baseline with examples out where it cannot be and nobody asked for it.
void Pilot::prepare_shots() {
  if (scores_.shot_count == 0) return;
  try {
    try_shots();
  } catch (const Error& error) {
    if (options_.shot_count) {
      throw Error(error.code(), fmt::format("examples before the questions: {}", error.message()), "shots");
    }
    no_shots_ = fmt::format("no examples are shown to the model without finetuning: {}", error.message());
    scores_.shot_count = 0;
    shot_sets_.clear();
    evaluation_records_.clear();
  }
  shots_.clear();
}

// Errors: those of FewShots, with the place; of check_memory(); kInvalidArgument: files of tokens, which have no texts.
void Pilot::try_shots() {
  const auto has_texts = [](const std::vector<Record>& records) { return !records.empty(); };
  for (size_t set = 0; set < shots_.size(); ++set) {
    if (evaluation_records_.size() < evaluation_.size() || !std::ranges::all_of(shots_[set], has_texts)) {
      throw Error(ErrorCode::kInvalidArgument, "files of tokens hold no texts to show");
    }
    try_shots_of(set);
  }
}

void Pilot::try_shots_of(size_t set) {
  const TuneRecipe& recipe = options_.recipes[set];
  ShotSet& shots = shot_sets_.emplace_back();
  // What scoring takes is decided by the batch of the longest.
  TuneData longest;
  const auto is_longer = [](const Example& a, const Example& b) { return a.token_count() > b.token_count(); };
  int64_t shot_count = 0, token_count = 0;
  for (std::vector<Record>& of_seed : shots_[set]) {
    const FewShots& few = shots.by_seed.emplace_back(bundle_, recipe, std::move(of_seed));
    for (size_t i = 0; i < evaluation_.size(); ++i) {
      FewShots::Question question = ask(few, evaluation_records_[i], evaluation_[i]);
      shot_count += question.shot_count;
      token_count += question.example.token_count();
      longest.evaluation.push_back(std::move(question.example));
      std::ranges::sort(longest.evaluation, is_longer);
      if (longest.evaluation.size() > static_cast<size_t>(recipe.batch_size)) longest.evaluation.pop_back();
    }
  }
  const auto asked = static_cast<double>(evaluation_.size() * shots.by_seed.size());
  scores_.sets[set].mean_shot_count = static_cast<double>(shot_count) / asked;
  shots.token_count = token_count / static_cast<int64_t>(shots.by_seed.size());
  longest.examples.push_back(examples_[set].front());
  check_memory(recipe, longest);
}

// Seed by seed, so that the first whole curve is there after a part of the time.
void Pilot::list_runs() {
  runs_.push_back({.set = std::nullopt, .size = 0, .seed = scores_.seeds.front()});
  for (const uint64_t seed : scores_.seeds) {
    for (size_t set = 0; set < shot_sets_.size(); ++set) {
      runs_.push_back({.set = set, .size = 0, .seed = seed, .shot_count = scores_.shot_count});
    }
    for (const int64_t size : scores_.sizes) {
      for (size_t set = 0; set < scores_.sets.size(); ++set) runs_.push_back({.set = set, .size = size, .seed = seed});
    }
  }
}

void Pilot::find_runs() {
  for (const PilotRun& run : runs_) {
    const fs::path file = file_of(key_of(run));
    if (fs::exists(file)) {
      place_of(run) = read_run(file, evaluation_.size());
    } else {
      missing_runs_.push_back(run);
    }
  }
}

std::vector<std::string> Pilot::notes() const {
  std::vector<std::string> notes;
  if (counts_.skipped > 0) {
    notes.push_back(fmt::format("{} records skipped; the first: {}", counts_.skipped, counts_.first_skipped));
  }
  if (!no_shots_.empty()) notes.push_back(no_shots_);
  for (const PilotSetScores& set : scores_.sets) {
    if (set.leaked_count == 0) continue;
    notes.push_back(fmt::format("{}: {} records that the eval has too are left out{}", set.name, set.leaked_count,
                                set.nearly_leaked_count > 0
                                    ? fmt::format(", {} of them since it has nearly the same", set.nearly_leaked_count)
                                    : ""));
  }
  if (found_count() > 0) notes.push_back(fmt::format("{} of {} runs are there already", found_count(), runs_.size()));
  return notes;
}

AnswerScores& Pilot::place_of(const PilotRun& run) {
  if (!run.set) return scores_.base;
  PilotSetScores& set = scores_.sets[*run.set];
  if (run.shot_count > 0) return set.few_shot[seed_index(run)];
  const auto size = std::find(scores_.sizes.begin(), scores_.sizes.end(), run.size) - scores_.sizes.begin();
  return set.runs[static_cast<size_t>(size)][seed_index(run)];
}

size_t Pilot::seed_index(const PilotRun& run) const {
  return static_cast<size_t>(std::ranges::find(scores_.seeds, run.seed) - scores_.seeds.begin());
}

TuneRecipe Pilot::recipe_of(const PilotRun& run) const {
  TuneRecipe recipe = options_.recipes[run.set.value_or(0)];
  recipe.seed = static_cast<int64_t>(run.seed);
  return recipe;
}

json::object Pilot::key_of(const PilotRun& run) const {
  json::object key = {{"pelton", kVersion},
                      {"model", identity_of(*bundle_)},
                      {"recipe", pilot_recipe_to_json(recipe_of(run))},
                      {"data_fnv1a64", run.set ? json::value(fingerprints_[*run.set]) : json::value(nullptr)},
                      {"size", run.size},
                      {"evaluation_fnv1a64", evaluation_fingerprint_}};
  if (run.shot_count > 0) key["shots"] = run.shot_count;
  return key;
}

fs::path Pilot::file_of(const json::object& key) const {
  return options_.folder / "runs" / (fingerprint_of(to_json_text(key)) + ".json");
}

std::vector<Example> Pilot::examples_of(const PilotRun& run) const {
  const std::vector<Example>& all = examples_[run.set.value_or(0)];
  DataOrder order(static_cast<int64_t>(all.size()), {.shuffles = true, .seed = run.seed});
  std::vector<Example> examples;
  // A run without finetuning is one of no step, which needs an example all the same.
  for (int64_t i = 0; i < std::max<int64_t>(1, run.size); ++i)
    examples.push_back(all[static_cast<size_t>(order.at(i))]);
  return examples;
}

std::vector<Example> Pilot::questions_of(const PilotRun& run, size_t begin, size_t count) const {
  std::vector<Example> questions(evaluation_.begin() + static_cast<std::ptrdiff_t>(begin),
                                 evaluation_.begin() + static_cast<std::ptrdiff_t>(begin + count));
  if (run.shot_count == 0) return questions;
  const FewShots& shots = shot_sets_[*run.set].by_seed[seed_index(run)];
  for (size_t i = 0; i < count; ++i) {
    questions[i] = ask(shots, evaluation_records_[begin + i], evaluation_[begin + i]).example;
  }
  return questions;
}

double Pilot::work_of(const PilotRun& run) const {
  constexpr double kLearning = 3;  // forwards, and a backward of twice that
  if (run.shot_count > 0) return static_cast<double>(shot_sets_[*run.set].token_count);
  const auto asked = static_cast<double>(token_count_of(evaluation_));
  if (!run.set) return asked;
  const TuneRecipe& recipe = options_.recipes[*run.set];
  const double examples = recipe.steps
                              ? static_cast<double>(*recipe.steps * recipe.batch_size * recipe.gradient_accumulation)
                              : recipe.epochs * static_cast<double>(run.size);
  const std::vector<Example>& all = examples_[*run.set];
  const double tokens = static_cast<double>(token_count_of(all)) / static_cast<double>(all.size());
  return asked + kLearning * examples * tokens;
}

std::optional<Pilot::DoneRun> Pilot::do_run(Executor& executor, const PilotRun& run,
                                            const PilotListener& listener) const {
  const TuneRecipe recipe = recipe_of(run);
  Trainer trainer(executor, bundle_->model, recipe, examples_of(run));
  DoneRun done;
  done.step_count = run.size > 0 ? trainer.step_count() : 0;
  while (trainer.steps_done() < done.step_count) {
    listener.on_step(run, trainer.steps_done(), done.step_count);
    if (listener.wants_stop()) return std::nullopt;
    done.training_loss = trainer.step().loss;
  }
  for (size_t begin = 0; begin < evaluation_.size(); begin += kScoredAtOnce) {
    listener.on_step(run, done.step_count, done.step_count);
    if (listener.wants_stop()) return std::nullopt;
    const size_t count = std::min(kScoredAtOnce, evaluation_.size() - begin);
    const AnswerScores some = trainer.score_answers(questions_of(run, begin, count));
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
