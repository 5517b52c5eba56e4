#include "train/tune_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/atomic_folder.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/version.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/token_file.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

// 64-bit FNV-1a (Fowler, Noll, Vo 1991): tells accidents apart, not attacks.
class Fnv1a {
 public:
  void add(const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i) hash_ = (hash_ ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001B3u;
  }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  uint64_t hash_ = 0xCBF29CE484222325u;
};

std::string hash_of(const std::vector<Example>& examples) {
  Fnv1a hash;
  for (const Example& example : examples) {
    for (const TrainingSequence& sequence : example.sequences) {
      for (size_t i = 0; i < sequence.tokens.size(); ++i) {
        const int32_t both[2] = {sequence.tokens[i], sequence.is_learnt[i] ? 1 : 0};
        hash.add(both, sizeof(both));
      }
    }
    const int32_t label = example.is_desirable ? (*example.is_desirable ? 1 : 2) : 0;
    hash.add(&label, sizeof(label));
  }
  return hash.text();
}

json::object model_of(const ModelBundle& bundle) {
  json::object model = {{"name", bundle.name}, {"architecture", bundle.model->architecture->name}};
  std::error_code is_folder;
  if (const auto bytes = fs::file_size(bundle.path, is_folder); !is_folder) model["bytes"] = bytes;
  return model;
}

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
          {"fnv1a64", hash_of(data.examples)}};
}

// Of all that decides what comes out.
std::string fingerprint_of(json::object manifest) {
  json::object& recipe = manifest["recipe"].as_object();
  recipe.erase("output");
  recipe.erase("checkpoint_steps");
  const std::string text = to_json_text(manifest);
  Fnv1a hash;
  hash.add(text.data(), text.size());
  return hash.text();
}

void save(const RunFolder& folder, Trainer& trainer, const std::string& fingerprint) {
  write_checkpoint(folder.checkpoint(), trainer.state(),
                   {{"fingerprint", fingerprint},
                    {"step", std::to_string(trainer.steps_done())},
                    {"log_bytes", std::to_string(folder.log_bytes())}});
}

int64_t number_in(const CheckpointNotes& notes, const std::string& name) try {
  return std::stoll(notes.at(name));
} catch (const std::exception&) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the checkpoint does not say its {}", name));
}

// True: there was a checkpoint, from which the trainer goes on.
bool resume(RunFolder& folder, Trainer& trainer, const std::string& fingerprint) {
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

}  // namespace

TuneData read_tune_data(const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe) {
  const int64_t length_max = std::min(recipe.sequence_length, bundle->model->spec.context_length);
  const ExampleEncoder encoder(bundle, {.sequence_length_max = length_max, .now_unix_s = recipe.now_unix_s});
  std::vector<fs::path> files(recipe.data.begin(), recipe.data.end());
  const auto token_files =
      std::stable_partition(files.begin(), files.end(), [](const fs::path& path) { return !is_token_file(path); });
  TuneData data;
  for (auto file = token_files; file != files.end(); ++file) {
    read_token_file(*file, *bundle->tokenizer, length_max, data.examples, data.records);
  }
  files.erase(token_files, files.end());
  if (files.empty()) return data;
  const RecordCounts read =
      read_records(files, recipe.skip_bad_records ? BadRecord::kSkip : BadRecord::kStop,
                   [&](const Record& record) { data.examples.push_back(encoder.encode(record)); });
  for (const auto& [form, count] : read.by_form) data.records.by_form[form] += count;
  data.records.skipped = read.skipped;
  data.records.first_skipped = read.first_skipped;
  return data;
}

bool run_tuning(Executor& executor, const std::shared_ptr<const ModelBundle>& bundle, const TuneRecipe& recipe,
                TuneData data, const TuneListener& listener, const Clock& clock) {
  RunFolder folder(recipe.output);
  json::object manifest = {{"pelton", kVersion}, {"kind", ""}, {"model", model_of(*bundle)}, {"data", data_of(data)}};
  Trainer trainer(executor, bundle->model, recipe, std::move(data.examples));
  trainer.method().check_output(bundle->path);
  manifest["kind"] = trainer.method().output_kind();
  manifest["steps"] = trainer.step_count();
  manifest["recipe"] = recipe_to_json(recipe);
  const std::string fingerprint = fingerprint_of(manifest);
  if (resume(folder, trainer, fingerprint)) {
    listener.on_note(fmt::format("going on after step {} of {}", trainer.steps_done(), trainer.step_count()));
  }
  const std::string manifest_text = to_json_text(manifest) + "\n";
  replace_file(folder.manifest(), manifest_text);

  while (trainer.steps_done() < trainer.step_count()) {
    const TimePoint begin = clock.now();
    const StepReport report = trainer.step();
    const json::object line = log_line(report, seconds(clock.now() - begin));
    folder.append_to_log(to_json_text(line));
    listener.on_step(line, trainer.step_count());
    const bool stops = listener.wants_stop() && trainer.steps_done() < trainer.step_count();
    if (stops || trainer.steps_done() % recipe.checkpoint_steps == 0) save(folder, trainer, fingerprint);
    if (stops) return false;
  }

  AtomicFolder output(recipe.output);
  const std::string note = trainer.method().write_output(executor, bundle->path, output.path());
  if (!note.empty()) listener.on_note(note);
  replace_file(output.path() / "manifest.json", manifest_text);
  replace_file(output.path() / "log.jsonl", folder.log());
  output.commit();
  listener.on_note(fmt::format("the {} is in {}", trainer.method().output_kind(), recipe.output));
  folder.remove();
  return true;
}

}  // namespace pelton
