// `pelton tune`: finetunes a model by a recipe.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/memory_usage.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "cli/recipe_options.h"
#include "cli/transfer_progress.h"
#include "model/bundle.h"
#include "train/tune_memory.h"
#include "train/tune_run.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "RECIPE is a YAML file with the keys below; every key may be given as a flag, which wins (--learning-rate 1e-4, "
    "--data a.jsonl --data b.jsonl, --targets q,v). Data are files that `pelton data` reads (JSON Lines, Parquet, CSV; "
    "packed or not), folders and globs: {\"messages\": [...]}, {\"prompt\", "
    "\"completion\"}, {\"prompt\", \"chosen\", \"rejected\"}, {\"text\"}, Alpaca's and ShareGPT's forms. The output is "
    "a "
    "folder that PEFT and `--adapter` read, or a model's, with a manifest of every setting, the log and a report with "
    "curves. Ctrl-C and kill leave a "
    "checkpoint in OUTPUT.run; the same command goes on from it, to the same bytes.\n"
    "\n"
    "On a terminal progress is a line; else, and with --json, each step prints its line of the log.\n"
    "\n"
    "Examples:\n"
    "  pelton tune -m smollm2-135m-instruct-q4_1 --data chats.jsonl --output my-adapter\n"
    "  pelton tune recipe.yaml --steps 10\n"
    "  pelton tune recipe.yaml --show-batch\n"
    "  pelton tune recipe.yaml --eval-data held-out.jsonl --eval-steps 20 --early-stop 3\n"
    "  pelton tune recipe.yaml --sample-prompts \"Who are you?\" --sample-steps 20\n"
    "  tensorboard --logdir my-adapter.run   # while it goes on; OUTPUT has the same file at the end\n"
    "  pelton tune -m model.gguf --data pairs.jsonl --objective dpo --beta 0.1 --output preferred\n"
    "  pelton tune -m model.gguf --data pairs.jsonl --objective reward --merge true --output judge   # for pelton "
    "classify\n"
    "  pelton tune -m model.gguf --data chats.jsonl --method ia3 --learning-rate 3e-3 --output factors\n"
    "  pelton tune -m model.gguf --data chats.jsonl --method full --last-layers 4 --learning-rate 2e-5 --output tuned\n"
    "  pelton run -m model.gguf --adapter my-adapter \"Who are you?\"\n";

constexpr size_t kShownBytesMax = 300;  // of a sample's prompt or answer

struct TuneOptions {
  RecipeOptions recipe;
  int thread_count = 0;
  bool shows_batch = false;
  bool ignores_memory = false;
  bool as_json = false;
};

// --- --show-batch

constexpr std::string_view kLearntColour = "\033[32m";
constexpr std::string_view kGivenColour = "\033[2m";
constexpr std::string_view kColourEnd = "\033[0m";

// Lines stay lines; nothing of a data set's reaches the terminal as a command to it.
std::string shown(std::string_view text) {
  std::string lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines += (begin == 0 ? "" : "\n") + one_line(text.substr(begin, end - begin), std::string::npos);
    begin = end + 1;
  }
  return lines;
}

// Learnt runs in green, or in ⟦…⟧ where there is no colour.
std::string marked_text(const Tokenizer& tokenizer, const TrainingSequence& sequence, bool in_colour) {
  std::string text;
  for (size_t begin = 0; begin < sequence.tokens.size();) {
    const bool is_learnt = sequence.is_learnt[begin];
    size_t end = begin;
    std::string run;
    for (; end < sequence.tokens.size() && sequence.is_learnt[end] == is_learnt; ++end) {
      run += tokenizer.token_bytes(static_cast<TokenId>(sequence.tokens[end]));
    }
    run = shown(run);
    if (in_colour) {
      text += fmt::format("{}{}{}", is_learnt ? kLearntColour : kGivenColour, run, kColourEnd);
    } else {
      text += is_learnt ? "⟦" + run + "⟧" : run;
    }
    begin = end;
  }
  return text;
}

json::object sequence_to_json(const Tokenizer& tokenizer, const Example& example, const TrainingSequence& sequence) {
  json::array texts, learnt;
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    texts.push_back(json::string(valid_utf8(tokenizer.token_bytes(static_cast<TokenId>(sequence.tokens[i])))));
    learnt.push_back(sequence.is_learnt[i]);
  }
  return {{"record", example.place},
          {"tokens", json::array(sequence.tokens.begin(), sequence.tokens.end())},
          {"texts", std::move(texts)},
          {"learnt", std::move(learnt)}};
}

void show_batch(const ModelBundle& bundle, const std::vector<const Example*>& examples, bool as_json) {
  for (const Example* example : examples) {
    for (const TrainingSequence& sequence : example->sequences) {
      if (as_json) {
        print_json(sequence_to_json(*bundle.tokenizer, *example, sequence));
        continue;
      }
      print_text(fmt::format("{}: {} tokens, {} learnt\n{}\n\n", example->place, sequence.tokens.size(),
                             sequence.learnt_count(), marked_text(*bundle.tokenizer, sequence, uses_colour())));
    }
  }
}

// --- progress

void describe_data(const TuneData& data) {
  int64_t token_count = 0, learnt_count = 0;
  for (const Example& example : data.examples) {
    token_count += example.token_count();
    learnt_count += example.learnt_count();
  }
  std::string forms;
  for (const auto& [form, count] : data.records.by_form) {
    forms += fmt::format("{}{} {}", forms.empty() ? "" : ", ", count, record_form_name(form));
  }
  print_note(fmt::format("{} records ({}): {} tokens, of which {} are learnt", data.records.taken(), forms, token_count,
                         learnt_count));
  if (data.records.skipped > 0) {
    print_note(fmt::format("{} records skipped; the first: {}", data.records.skipped, data.records.first_skipped));
  }
}

class StepProgress {
 public:
  explicit StepProgress(bool as_json) : prints_lines_(as_json || !stdout_is_terminal()), line_(prints_lines_) {}

  void show(const json::object& step, int64_t step_count) {
    if (prints_lines_) return print_text(to_json_text(step) + "\n");
    const int64_t done = step.at("step").as_int64();
    const TimePoint now = clock_.now();
    if (first_done_ == 0) {
      first_done_ = done;
      first_ = now;
    }
    std::string left;
    if (done > first_done_ && done < step_count) {
      const double per_step = seconds(now - first_) / static_cast<double>(done - first_done_);
      left = ", " + format_seconds(per_step * static_cast<double>(step_count - done)) + " left";
    }
    if (!line_.is_due(now) && done < step_count) return;
    line_.show(now, fmt::format("step {} of {}, loss {:.4f}, {:.0f} tokens/s, {}{}", done, step_count,
                                step.at("loss").as_double(), step.at("tokens_per_second").as_double(),
                                format_byte_size(resident_bytes().all()), left));
  }

  void show_evaluation(const json::object& line) {
    if (prints_lines_) return print_text(to_json_text(line) + "\n");
    line_.note(fmt::format("step {}: the loss on eval_data is {:.4f}", line.at("step").as_int64(),
                           line.at("eval_loss").as_double()));
  }

  void show_samples(const json::object& line) {
    if (prints_lines_) return print_text(to_json_text(line) + "\n");
    for (const json::value& sample : line.at("samples").as_array()) {
      line_.note(fmt::format("step {}: {} → {}", line.at("step").as_int64(),
                             one_line(sample.at("prompt").as_string(), kShownBytesMax),
                             one_line(sample.at("answer").as_string(), kShownBytesMax)));
    }
  }

 private:
  SteadyClock clock_;
  bool prints_lines_;
  ProgressLine line_;
  int64_t first_done_ = 0;  // the first step seen, and when it was done
  TimePoint first_{};
};

int tune(const TuneOptions& options) {
  const ResidentBytes before = resident_bytes();
  const TuneRecipe recipe = read_recipe(options.recipe);
  const std::shared_ptr<const ModelBundle> bundle = require_generator(load_bundle(recipe.model));
  TuneData data = read_tune_data(bundle, recipe);
  Executor executor(options.thread_count);
  if (options.shows_batch) {
    Trainer trainer(executor, bundle->model, recipe, std::move(data.examples));
    for (const std::vector<const Example*>& batch : trainer.batches_of_step(0)) {
      show_batch(*bundle, batch, options.as_json);
    }
    return 0;
  }
  describe_data(data);
  const TuneMemory memory(before, bundle->model, recipe, data);
  if (!memory.fits() && !options.ignores_memory) {
    throw Error(ErrorCode::kResourceExhausted,
                memory.refusal() + " (`pelton plan tune` shows the sums; --ignore-memory begins all the same)");
  }
  const int64_t predicted_bytes = memory.plan().total_bytes();
  const SteadyClock clock;
  const InterruptScope interrupt;
  StepProgress progress(options.as_json);
  const TuneListener listener = {
      .on_note = print_note,
      .on_step = [&](const json::object& line, int64_t step_count) { progress.show(line, step_count); },
      .on_evaluation = [&](const json::object& line) { progress.show_evaluation(line); },
      .on_samples = [&](const json::object& line) { progress.show_samples(line); },
      .wants_stop = [&] { return interrupt.signal() != 0; }};
  if (!run_tuning(executor, bundle, recipe, std::move(data), listener, clock)) {
    print_note(fmt::format("stopped; the same command goes on from here ({}.run)", recipe.output));
    return InterruptScope::exit_code(interrupt.signal());
  }
  print_note(fmt::format("at most {} of memory were used; {} were predicted", format_byte_size(resident_bytes_max()),
                         format_byte_size(predicted_bytes)));
  return 0;
}

}  // namespace

std::function<int()> add_tune(CLI::App& app) {
  const auto options = std::make_shared<TuneOptions>();
  add_recipe_options(app, options->recipe);
  app.add_option("-t,--threads", options->thread_count, "Threads that compute (default: one for each core)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--show-batch", options->shows_batch,
               "Show the first step's tokens, the learnt ones in colour; no step");
  app.add_flag("--ignore-memory", options->ignores_memory, "Begin although the machine has too little for it");
  app.add_flag("--json", options->as_json, "Print JSON");
  app.footer(kNotes);
  return [options] { return tune(*options); };
}

}  // namespace pelton::cli
