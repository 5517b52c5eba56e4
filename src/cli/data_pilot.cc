// `pelton data pilot`: what finetuning on these data brings, and what more of them would.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "cli/data_commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "cli/recipe_options.h"
#include "cli/transfer_progress.h"
#include "model/bundle.h"
#include "train/pilot/pilot.h"
#include "train/pilot/pilot_recipe.h"
#include "train/pilot/pilot_report.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "The model is finetuned on growing parts of the data, each part holding the one before, with several seeds; after "
    "every run the loss of the eval's reference answers is measured, and how many of the short ones (up to 32 tokens) "
    "the model says word by word. Without finetuning it gets the same prompts, alone and behind --shots examples of "
    "the "
    "data as earlier turns; the better of the two is what finetuning must beat. From that: the curve of diminishing "
    "returns (a + b n^-c), what it promises for more data, whether finetuning is worth it, and, with several --data, "
    "which set teaches more. Intervals are by bootstrap over the eval's records and the seeds. Records that the eval "
    "has too, or nearly (the same words in other case, spacing or punctuation, or half of its 13-grams), are counted "
    "and left out of the data.\n"
    "\n"
    "Runs learn as `pelton tune` does, for 3 epochs unless told otherwise: --recipe takes its file, flags win. What a "
    "recipe says of outputs and evaluations has no meaning here. A run's scores go to a file in OUTPUT/runs when it is "
    "done, so after Ctrl-C or kill the same command goes on, and with more --sizes, --seeds or --data only what is "
    "new is computed. OUTPUT also gets report.html, which needs nothing else, and report.json.\n"
    "\n"
    "Examples:\n"
    "  pelton data pilot --model smollm2-135m-instruct-q4_1 --data chats.jsonl --eval held-out.jsonl\n"
    "  pelton data pilot --model model.gguf --data a.jsonl --data b.jsonl --eval held-out.jsonl --output a-or-b\n"
    "  pelton data pilot --model model.gguf --data a.jsonl --eval e.jsonl --sizes 25,50,100,200 --seeds 5 --rank 8\n"
    "  pelton data pilot --model model.gguf --data a.jsonl --eval e.jsonl --shots 8\n"
    "  pelton data pilot --model model.gguf --data a.jsonl --eval e.jsonl --recipe tune.yaml --json | jq .sentences\n";

struct PilotFlags {
  PilotInputs inputs{.output = "pelton-pilot"};
  RecipeOptions recipe;
  std::vector<int64_t> sizes;
  int64_t seed_count = PilotOptions{}.seed_count;
  std::optional<int64_t> shot_count;
  int thread_count = 0;
  bool as_json = false;
};

std::string name_of(const PilotRun& run, const PilotScores& scores) {
  if (!run.set) return "without finetuning";
  if (run.shot_count > 0) {
    return fmt::format("without finetuning, {} examples of {} shown, seed {}", run.shot_count,
                       scores.sets[*run.set].name, run.seed);
  }
  return fmt::format("{}, {} examples, seed {}", scores.sets[*run.set].name, run.size, run.seed);
}

// Which of the runs, which of its steps, and how long the rest takes by those that are done.
class PilotProgress {
 public:
  PilotProgress(const Pilot& pilot, bool is_quiet)
      : pilot_(pilot), run_count_(static_cast<int64_t>(pilot.missing_runs().size())), line_(is_quiet) {
    for (const PilotRun& run : pilot.missing_runs()) work_left_ += pilot.work_of(run);
  }

  void show_step(const PilotRun& run, int64_t step, int64_t step_count) {
    const TimePoint now = clock_.now();
    if (!line_.is_due(now)) return;
    const std::string doing =
        step < step_count ? fmt::format("step {} of {}", step, step_count) : std::string("answers are scored");
    line_.show(now, fmt::format("{} of {} runs to do: {}, {}{}", done_count_ + 1, run_count_,
                                name_of(run, pilot_.scores()), doing, left_at(now)));
  }

  void show_run(const PilotRun& run, double loss) {
    ++done_count_;
    work_done_ += pilot_.work_of(run);
    work_left_ -= pilot_.work_of(run);
    last_end_ = clock_.now();
    line_.note(fmt::format("{}: loss {:.4f}{}", name_of(run, pilot_.scores()), loss, left_at(last_end_)));
  }

 private:
  // Empty: nothing is done yet, or nothing is left.
  std::string left_at(TimePoint now) const {
    if (done_count_ == 0 || done_count_ == run_count_) return "";
    const double per_work_s = seconds(last_end_ - begin_) / work_done_;
    const double left_s = std::max(0.0, per_work_s * work_left_ - seconds(now - last_end_));
    return fmt::format(", {} left", format_seconds(left_s));
  }

  SteadyClock clock_;
  const Pilot& pilot_;
  int64_t run_count_;
  int64_t done_count_ = 0;
  double work_done_ = 0;
  double work_left_ = 0;
  TimePoint begin_ = clock_.now();
  TimePoint last_end_ = begin_;
  ProgressLine line_;
};

int pilot(const PilotFlags& flags) {
  PilotOptions options{
      .recipes = make_pilot_recipes(read_recipe_file(flags.recipe), flags.recipe.overrides, flags.inputs),
      .sizes = flags.sizes,
      .seed_count = flags.seed_count,
      .shot_count = flags.shot_count,
      .folder = flags.inputs.output};
  const std::shared_ptr<const ModelBundle> bundle = require_generator(load_bundle(flags.inputs.model));
  PilotReport report{.model = bundle->name, .recipe = pilot_recipe_to_json(options.recipes[0])};
  const auto seed = static_cast<uint64_t>(options.recipes[0].seed);
  Pilot pilot(bundle, std::move(options));
  for (const std::string& note : pilot.notes()) print_note(note);
  Executor executor(flags.thread_count);
  const InterruptScope interrupt;
  {
    PilotProgress progress(pilot, flags.as_json);
    const PilotListener listener = {
        .on_step = [&](const PilotRun& run, int64_t step, int64_t count) { progress.show_step(run, step, count); },
        .on_run = [&](const PilotRun& run, double loss) { progress.show_run(run, loss); },
        .wants_stop = [&] { return interrupt.signal() != 0; }};
    if (!pilot.run(executor, listener)) {
      print_note(
          fmt::format("stopped; the same command goes on with the runs that are not in {}", flags.inputs.output));
      return InterruptScope::exit_code(interrupt.signal());
    }
  }
  report.scores = pilot.scores();
  report.findings = find_pilot_results(report.scores, {.seed = seed});
  const json::object as_json = to_json(report);
  const std::filesystem::path folder = flags.inputs.output;
  replace_file(folder / "report.json", to_json_text(as_json) + "\n");
  replace_file(folder / "report.html", to_html(report));
  if (flags.as_json) {
    print_json(as_json);
  } else {
    print_text(valid_utf8(to_text(report)));
    print_note(fmt::format("wrote {}", (folder / "report.html").string()));
  }
  return 0;
}

}  // namespace

std::function<int()> add_data_pilot(CLI::App& app) {
  const auto flags = std::make_shared<PilotFlags>();
  app.add_option("-m,--model", flags->inputs.model, "What is finetuned")->required()->type_name("MODEL");
  app.add_option("--data", flags->inputs.data,
                 "A data set: files, folders and globs, between commas; once more for each set to compare with it")
      ->required()
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("INPUT");
  app.add_option("--eval", flags->inputs.evaluation, "Records with reference answers that are not learnt")
      ->required()
      ->type_name("INPUT");
  app.add_option("-o,--output", flags->inputs.output, "The folder for the scores of runs and the report")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--sizes", flags->sizes,
                 "Examples of the parts, between commas (default: an eighth, a quarter, half and all of up to 100)")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->type_name("N,...");
  app.add_option("--seeds", flags->seed_count, "Runs of each size: other examples, another order, another beginning")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();
  app.add_option(
         "--shots", flags->shot_count,
         "Examples before each question in the baseline with examples, where there is room; 0: no such baseline "
         "(default: 5, or 0 where they cannot be shown)")
      ->check(CLI::Range(int64_t{0}, int64_t{1000}))
      ->type_name("N");
  app.add_option("--recipe", flags->recipe.path, "A YAML file, as `pelton tune` takes it")->type_name("RECIPE");
  add_recipe_flags(app, flags->recipe, is_pilot_key);
  app.add_option("-t,--threads", flags->thread_count, "Threads that compute (default: one for each core)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [flags] { return pilot(*flags); };
}

}  // namespace pelton::cli
