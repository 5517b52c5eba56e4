#include "train/tune_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "base/atomic_folder.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"
#include "train/checkpoint.h"
#include "train/example_reader.h"
#include "train/log_lines.h"
#include "train/loss_watch.h"
#include "train/run_folder.h"
#include "train/run_identity.h"
#include "train/sample_answers.h"
#include "train/tensorboard.h"
#include "train/tune_report.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

json::object data_of(const TuneData& data) {
  int64_t token_count = 0, learnt_count = 0;
  for (const Example& example : data.examples) {
    token_count += example.token_count();
    learnt_count += example.learnt_count();
  }
  json::object forms;
  for (const auto& [form, count] : data.records.by_form) forms[record_form_name(form)] = count;
  return {{"records", forms},
          {"skipped", data.records.skipped},
          {"tokens", token_count},
          {"learnt_tokens", learnt_count},
          {"fnv1a64", fingerprint_of(data.examples)},
          {"evaluation_records", data.evaluation.size()},
          {"evaluation_fnv1a64", fingerprint_of(data.evaluation)}};
}

json::object begun_manifest(const ModelBundle& bundle, const TuneData& data) {
  return {{"pelton", kVersion}, {"kind", ""}, {"model", identity_of(bundle)}, {"data", data_of(data)}};
}

// Of all that decides what comes out.
std::string fingerprint_of_run(json::object manifest) {
  json::object& recipe = manifest["recipe"].as_object();
  recipe.erase("output");
  for (const char* key : {"checkpoint_steps", "sample_prompts", "sample_steps", "sample_tokens"}) recipe.erase(key);
  return fingerprint_of(to_json_text(manifest));
}

// What evaluations have shown so far.
struct Progress {
  std::optional<double> best_loss;
  int64_t best_step = 0;
  int64_t worse_count = 0;  // evaluations since then
};

void save(const RunFolder& folder, Trainer& trainer, const std::string& fingerprint, const Progress& progress) {
  write_checkpoint(folder.checkpoint(), trainer.state(),
                   {{"fingerprint", fingerprint},
                    {"step", std::to_string(trainer.steps_done())},
                    {"log_bytes", std::to_string(folder.log_bytes())},
                    {"best_loss", progress.best_loss ? fmt::format("{}", *progress.best_loss) : ""},
                    {"best_step", std::to_string(progress.best_step)},
                    {"worse_count", std::to_string(progress.worse_count)}});
}

int64_t number_in(const CheckpointNotes& notes, const std::string& name) try {
  return std::stoll(notes.at(name));
} catch (const std::exception&) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the checkpoint does not say its {}", name));
}

Progress progress_in(const CheckpointNotes& notes) {
  Progress progress;
  progress.best_step = number_in(notes, "best_step");
  progress.worse_count = number_in(notes, "worse_count");
  const auto loss = notes.find("best_loss");
  if (loss != notes.end() && !loss->second.empty()) progress.best_loss = std::stod(loss->second);
  return progress;
}

// True: there was a checkpoint, from which the trainer goes on.
bool resume(RunFolder& folder, Trainer& trainer, const std::string& fingerprint, Progress& progress) {
  if (!fs::exists(folder.checkpoint())) {
    folder.cut_log(0);
    return false;
  }
  const CheckpointNotes notes = read_checkpoint_notes(folder.checkpoint());
  const auto noted = notes.find("fingerprint");
  if (noted == notes.end() || noted->second != fingerprint) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} holds a run with another recipe, other data or another model; finish that one, choose "
                            "another output, or remove the folder",
                            folder.path().string()),
                "output");
  }
  std::vector<NamedTensor> state = trainer.state();
  read_checkpoint(folder.checkpoint(), state);
  folder.cut_log(static_cast<uint64_t>(number_in(notes, "log_bytes")));
  trainer.resume_at(number_in(notes, "step"));
  progress = progress_in(notes);
  return true;
}

json::object log_line(const StepReport& report, double elapsed_s) {
  json::object line = {{"step", report.step},
                       {"loss", report.loss},
                       {"learning_rate", report.learning_rate},
                       {"tokens", report.token_count},
                       {"tokens_per_second", static_cast<double>(report.token_count) / elapsed_s},
                       {"grad_norm", report.gradient_norm},
                       {"learnt_tokens", report.learnt_count}};
  for (const auto& [name, value] : report.metrics) line[name] = value;
  return line;
}

double unix_s() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// One run, from where it stands to its end.
class TuneLoop {
 public:
  TuneLoop(RunFolder& folder, Trainer& trainer, const TuneRecipe& recipe, const SampleAnswers& samples,
           const TuneListener& listener, const Clock& clock)
      : folder_(folder), trainer_(trainer), recipe_(recipe), samples_(samples), listener_(listener), clock_(clock) {}

  Progress& progress() { return progress_; }

  // False: stopped on demand, with a checkpoint.
  bool run(const std::vector<Example>& evaluation, const std::string& fingerprint) {
    watch_what_was_logged();
    // Written anew, since a run that goes on has taken lines back.
    events_.open(folder_.events(), std::ios::binary | std::ios::trunc);
    events_ << tensorboard_events(folder_.log(), unix_s()) << std::flush;
    bool is_done = trainer_.steps_done() >= trainer_.step_count() || has_stopped_early();
    while (!is_done) {
      take_step();
      is_done = trainer_.steps_done() == trainer_.step_count();
      if (!evaluation.empty() && (is_done || trainer_.steps_done() % recipe_.eval_steps == 0)) {
        is_done = !evaluate(evaluation) || is_done;
      }
      if (!samples_.is_empty() && (is_done || trainer_.steps_done() % recipe_.sample_steps == 0)) show_samples();
      const bool stops = listener_.wants_stop() && !is_done;
      if (stops || trainer_.steps_done() % recipe_.checkpoint_steps == 0) {
        save(folder_, trainer_, fingerprint, progress_);
      }
      if (stops) return false;
    }
    take_best();
    return true;
  }

 private:
  void watch_what_was_logged() {
    for (const json::object& line : log_lines(folder_.log())) {
      if (const json::value* loss = line.if_contains("loss")) watch_.add(loss->to_number<double>());
    }
  }

  void take_step() {
    const TimePoint begin = clock_.now();
    const StepReport report = trainer_.step();
    const json::object line = log_line(report, seconds(clock_.now() - begin));
    note(line);
    listener_.on_step(line, trainer_.step_count());
    const auto spike = watch_.add(report.loss);
    if (!spike) return;
    std::string places;
    for (const std::vector<const Example*>& batch : trainer_.batches_of_step(report.step - 1)) {
      for (const Example* example : batch) places += (places.empty() ? "" : ", ") + example->place;
    }
    listener_.on_note(
        fmt::format("step {}: the loss {:.4g} stands out from those before ({:.4g} ± {:.2g}), with the "
                    "records {}",
                    report.step, spike->loss, spike->mean, spike->deviation, places));
  }

  // False: it has not got better for long enough.
  bool evaluate(const std::vector<Example>& examples) {
    const Evaluation evaluation = trainer_.evaluate(examples);
    json::object line = {{"step", trainer_.steps_done()}, {"eval_loss", evaluation.loss}};
    for (const auto& [name, value] : evaluation.metrics) line["eval_" + name] = value;
    note(line);
    listener_.on_evaluation(line);
    if (!progress_.best_loss || evaluation.loss < *progress_.best_loss) {
      progress_ = {evaluation.loss, trainer_.steps_done(), 0};
      if (recipe_.keep_best) write_checkpoint(folder_.best(), trainer_.parameter_state(), {});
      return true;
    }
    ++progress_.worse_count;
    if (!has_stopped_early()) return true;
    listener_.on_note(fmt::format("stopping early: no evaluation was better since step {}", progress_.best_step));
    return false;
  }

  void show_samples() {
    const json::object line = {{"step", trainer_.steps_done()}, {"samples", samples_.ask(trainer_)}};
    note(line);
    listener_.on_samples(line);
  }

  // In the log; for TensorBoard, which nobody needs to go on, as far as it can be written.
  void note(const json::object& line) {
    folder_.append_to_log(to_json_text(line));
    events_ << tensorboard_event(line, unix_s()) << std::flush;
  }

  bool has_stopped_early() const { return recipe_.early_stop > 0 && progress_.worse_count >= recipe_.early_stop; }

  void take_best() {
    if (!recipe_.keep_best || !progress_.best_loss || progress_.best_step == trainer_.steps_done()) return;
    std::vector<NamedTensor> parameters = trainer_.parameter_state();
    read_checkpoint(folder_.best(), parameters);
    listener_.on_note(fmt::format("the least loss on eval_data, {:.4f}, was after step {}: that is what is written",
                                  *progress_.best_loss, progress_.best_step));
  }

  RunFolder& folder_;
  Trainer& trainer_;
  const TuneRecipe& recipe_;
  const SampleAnswers& samples_;
  const TuneListener& listener_;
  const Clock& clock_;
  std::ofstream events_;
  LossWatch watch_;
  Progress progress_;
};

}  // namespace

TuneData read_tune_data(const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe) {
  const ExampleReader reader(bundle, recipe);
  TuneData data;
  data.examples = reader.read(recipe.data, data.records);
  if (recipe.eval_data) {
    RecordCounts of_evaluation;
    data.evaluation = reader.read(*recipe.eval_data, of_evaluation);
    data.records.skipped += of_evaluation.skipped;
    if (data.records.first_skipped.empty()) data.records.first_skipped = of_evaluation.first_skipped;
  }
  return data;
}

class TuneRun::Impl {
 public:
  Impl(Executor& executor, std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe, TuneData data,
       const TuneListener& listener, const Clock& clock)
      : bundle_(std::move(bundle)),
        recipe_(recipe),
        listener_(listener),
        folder_(recipe.output),
        manifest_(begun_manifest(*bundle_, data)),
        evaluation_(std::move(data.evaluation)),
        trainer_(executor, bundle_->model, recipe, std::move(data.examples)),
        samples_(*bundle_, recipe.sample_prompts.texts, recipe.sample_tokens, recipe.now_unix_s),
        loop_(folder_, trainer_, recipe, samples_, listener, clock) {
    trainer_.method().check_output(bundle_->path);
    manifest_["kind"] = trainer_.method().output_kind();
    manifest_["steps"] = trainer_.step_count();
    manifest_["recipe"] = recipe_to_json(recipe);
    fingerprint_ = fingerprint_of_run(manifest_);
    if (!evaluation_.empty()) trainer_.check_kind(evaluation_);
    if (resume(folder_, trainer_, fingerprint_, loop_.progress())) {
      listener.on_note(fmt::format("going on after step {} of {}", trainer_.steps_done(), trainer_.step_count()));
    }
    replace_file(folder_.manifest(), manifest_text());
  }

  int64_t step_count() const { return trainer_.step_count(); }
  bool train() { return loop_.run(evaluation_, fingerprint_); }

  void write_output(Executor& executor) {
    AtomicFolder output(recipe_.output);
    const std::string note = trainer_.method().write_output(executor, bundle_->path, output.path());
    if (!note.empty()) listener_.on_note(note);
    replace_file(output.path() / "manifest.json", manifest_text());
    replace_file(output.path() / "log.jsonl", folder_.log());
    replace_file(output.path() / "report.html", tune_report(folder_.log(), manifest_));
    replace_file(output.path() / kTensorboardFile, tensorboard_events(folder_.log(), unix_s()));
    output.commit();
    listener_.on_note(fmt::format("the {} is in {}", trainer_.method().output_kind(), recipe_.output));
    folder_.remove();
  }

 private:
  std::string manifest_text() const { return to_json_text(manifest_) + "\n"; }

  const std::shared_ptr<const ModelBundle> bundle_;
  const TuneRecipe& recipe_;
  const TuneListener& listener_;
  RunFolder folder_;
  json::object manifest_;
  const std::vector<Example> evaluation_;
  Trainer trainer_;
  const SampleAnswers samples_;
  TuneLoop loop_;
  std::string fingerprint_;
};

TuneRun::TuneRun(Executor& executor, std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe, TuneData data,
                 const TuneListener& listener, const Clock& clock)
    : impl_(std::make_unique<Impl>(executor, std::move(bundle), recipe, std::move(data), listener, clock)) {}
TuneRun::~TuneRun() = default;
int64_t TuneRun::step_count() const { return impl_->step_count(); }
bool TuneRun::train() { return impl_->train(); }
void TuneRun::write_output(Executor& executor) { impl_->write_output(executor); }

bool run_tuning(Executor& executor, const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe,
                TuneData data, const TuneListener& listener, const Clock& clock) {
  TuneRun run(executor, bundle, recipe, std::move(data), listener, clock);
  if (!run.train()) return false;
  run.write_output(executor);
  return true;
}

}  // namespace pelton
