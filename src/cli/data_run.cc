// `pelton data run` and `convert`: records through a recipe, or only into another format.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "cli/data_commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "cli/transfer_progress.h"
#include "data/run.h"
#include "report/text_table.h"

namespace pelton::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunNotes =
    "A recipe is YAML:\n"
    "  input: raw/*.jsonl.zst        # a file, folder or glob, or a list of {path, license, url, split, synthetic, …}\n"
    "  output: clean.jsonl           # .jsonl, .jsonl.gz, .jsonl.zst, .parquet\n"
    "  dropped: dropped.jsonl        # who was dropped, by which step and why\n"
    "  steps:\n"
    "  - exact: {normalize: [case, whitespace]}\n"
    "`pelton data steps` lists the steps. Paths are relative to where you are. Beside the output come the lineage of "
    "each "
    "record\n"
    "(.lineage.jsonl.zst), a manifest with hashes and counts (.manifest.json) and, if there were any, the lines that "
    "are no "
    "record\n"
    "(.quarantine.jsonl). A run that was stopped or killed goes on where it was when you run it again.\n"
    "\n"
    "Examples:\n"
    "  pelton data run recipe.yaml\n"
    "  pelton data run recipe.yaml --dry-run 1              # on one per cent, leaving nothing behind\n"
    "  pelton data run recipe.yaml --set steps.0.exact.keep=longest --set output=other.jsonl\n";

constexpr const char* kConvertNotes =
    "Formats: messages (OpenAI's), alpaca, sharegpt, ultrachat, hh, prompt_completion, chosen_rejected, text.\n"
    "A record that the format cannot hold goes to the quarantine file with the reason.\n"
    "\n"
    "Examples:\n"
    "  pelton data convert sharegpt.json -o chats.jsonl --to messages\n"
    "  pelton data convert chats.jsonl -o chats.parquet --to messages\n";

int default_threads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

struct RunFlags {
  std::string recipe_path;
  std::vector<std::string> overrides;
  int thread_count = default_threads();
  uint64_t checkpoint_mb = 64;
  double dry_run_percent = 0;  // 0: no dry run
  bool begins_anew = false;
  bool as_json = false;
};

std::string describe(const data::RunProgress& progress, double bytes_per_second, double records_per_second) {
  const double part = progress.part_done;
  std::string text = fmt::format("pass {}/{}, {:.0f} %, {:.0f} MB/s", progress.phase + 1, progress.phase_count,
                                 100 * part, bytes_per_second / 1e6);
  if (progress.phase == 0) text += fmt::format(", {:.0f} records/s", records_per_second);
  uint64_t dropped = 0;
  for (const data::StepCounts& step : progress.counts.steps) dropped += step.dropped;
  text += fmt::format(", {} read, {} dropped, {} written", progress.counts.records, dropped, progress.counts.kept);
  return text;
}

// Rates of the pass that runs, and how long it still takes.
class RunProgressLine {
 public:
  explicit RunProgressLine(bool is_quiet) : line_(is_quiet) {}

  void update(const data::RunProgress& progress) {
    const TimePoint now = clock_.now();
    if (progress.phase != phase_) {
      phase_ = progress.phase;
      start_ = now;
      records_before_ = progress.counts.records;
    }
    if (!line_.is_due(now)) return;
    const double elapsed_s = std::max(seconds(now - start_), 1e-6);
    std::string text = describe(progress, static_cast<double>(progress.phase_bytes) / elapsed_s,
                                static_cast<double>(progress.counts.records - records_before_) / elapsed_s);
    if (progress.part_done > 0.01 && progress.part_done < 1) {
      text += fmt::format(", {} left", format_seconds(elapsed_s * (1 / progress.part_done - 1)));
    }
    line_.show(now, text);
  }
  void note(const std::string& text) { line_.note(text); }

 private:
  SteadyClock clock_;
  ProgressLine line_;
  size_t phase_ = SIZE_MAX;
  TimePoint start_{};
  uint64_t records_before_ = 0;
};

std::string to_text(const data::Recipe& recipe, const data::RunReport& report, double elapsed_s, bool is_dry) {
  const data::RunCounts& counts = report.counts;
  std::string text = fmt::format("Read     {} records, {:.1f} MB, in {:.2f} s ({:.0f} MB/s)\n", counts.records,
                                 static_cast<double>(counts.input_bytes) / 1e6, elapsed_s,
                                 static_cast<double>(counts.input_bytes) / 1e6 / std::max(elapsed_s, 1e-6));
  std::string formats;
  for (const auto& [name, count] : counts.formats) {
    formats += fmt::format("{}{} ({})", formats.empty() ? "" : ", ", name, count);
  }
  if (!formats.empty()) text += fmt::format("Formats  {}\n", formats);
  text += fmt::format("Written  {} records, {:.1f} MB\n", counts.kept, static_cast<double>(counts.kept_bytes) / 1e6);
  if (counts.bad_lines > 0)
    text += fmt::format("Bad      {} lines are no record, see the quarantine file\n", counts.bad_lines);
  TextTable table({{"step", Align::kLeft}, {"seen"}, {"dropped"}, {"changed"}, {"why", Align::kLeft}});
  for (size_t i = 0; i < recipe.steps.size(); ++i) {
    const data::StepCounts& step = counts.steps[i];
    std::string reasons;
    for (const auto& [reason, count] : step.reasons) {
      reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", reason, count);
    }
    table.add_row({recipe.steps[i].label, fmt::format("{}", step.seen), fmt::format("{}", step.dropped),
                   fmt::format("{}", step.changed), reasons});
  }
  if (!table.empty()) text += "\n" + table.to_string();
  if (is_dry) return text + "\nA dry run: nothing is left behind.\n";
  text += "\n";
  for (const data::OutputFile& file : report.files) text += fmt::format("{:<11} {}\n", file.role, file.path);
  return text + fmt::format("{:<11} {}\n", "manifest", report.manifest_path);
}

json::object to_json(const data::Recipe& recipe, const data::RunReport& report, double elapsed_s) {
  json::object object = data::to_json(report.counts);
  json::array& steps = object["steps"].as_array();
  for (size_t i = 0; i < steps.size(); ++i) steps[i].as_object()["step"] = recipe.steps[i].label;
  json::array files;
  for (const data::OutputFile& file : report.files) {
    files.push_back(json::object{{"role", file.role}, {"path", file.path}, {"bytes", file.bytes}});
  }
  object["files"] = std::move(files);
  object["manifest"] = report.manifest_path;
  object["seconds"] = json_number(elapsed_s);
  return object;
}

// Where a dry run writes; it goes with this.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "pelton-dry-run-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::kIo, fmt::format("cannot create {}", name));
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

int run_and_report(const data::Recipe& recipe, const RunFlags& flags, bool is_dry) {
  const InterruptScope interrupt;
  data::RunOptions options;
  options.thread_count = static_cast<size_t>(flags.thread_count);
  options.keeps_going = !flags.begins_anew;
  options.checkpoint_bytes = flags.checkpoint_mb << 20;
  options.is_trial = is_dry;
  if (is_dry) options.block_stride = static_cast<uint64_t>(std::max(1.0, 100 / flags.dry_run_percent));
  RunProgressLine progress(flags.as_json);
  options.should_stop = [&] { return interrupt.signal() != 0; };
  options.on_progress = [&](const data::RunProgress& state) { progress.update(state); };
  options.on_note = [&](std::string_view text) { progress.note(std::string(text)); };
  const SteadyClock clock;
  const TimePoint start = clock.now();
  data::RunReport report;
  try {
    report = data::run_recipe(recipe, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    progress.note(error.message());
    return InterruptScope::exit_code(interrupt.signal());
  }
  const double elapsed_s = seconds(clock.now() - start);
  if (flags.as_json) {
    print_json(to_json(recipe, report, elapsed_s));
  } else {
    print_text(valid_utf8(to_text(recipe, report, elapsed_s, is_dry)));
  }
  return 0;
}

int run(const RunFlags& flags) {
  constexpr size_t kRecipeBytesMax = size_t{16} << 20;
  const std::string text = read_file(flags.recipe_path, kRecipeBytesMax);
  data::Recipe recipe = data::read_recipe(text, flags.recipe_path, flags.overrides);
  if (flags.dry_run_percent == 0) return run_and_report(recipe, flags, false);
  const ScratchFolder scratch;
  recipe.output = (scratch.path() / fs::path(recipe.output).filename()).string();
  recipe.dropped = (scratch.path() / fs::path(recipe.dropped).filename()).string();
  return run_and_report(recipe, flags, true);
}

}  // namespace

std::function<int()> add_data_run(CLI::App& app) {
  const auto flags = std::make_shared<RunFlags>();
  app.add_option("recipe", flags->recipe_path, "The recipe, YAML or JSON")->required()->type_name("RECIPE");
  app.add_option("--set", flags->overrides, "Another value for a key of the recipe: steps.0.exact.keep=longest")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("-t,--threads", flags->thread_count, "Threads; the output is the same for any number")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--dry-run", flags->dry_run_percent,
                 "Take so many per cent of the input, evenly, report, and leave nothing behind")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.001, 100.0));
  app.add_option("--checkpoint-mb", flags->checkpoint_mb, "MB of input after which a killed run could go on")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_flag("--anew", flags->begins_anew, "Do not go on where an earlier run was stopped");
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kRunNotes);
  return [flags] { return run(*flags); };
}

std::function<int()> add_data_convert(CLI::App& app) {
  struct ConvertFlags {
    RunFlags run;
    std::vector<std::string> inputs;
    std::string output;
    std::string to;
    std::string from = "auto";
  };
  const auto flags = std::make_shared<ConvertFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("-o,--output", flags->output, "The output: .jsonl, .jsonl.gz, .jsonl.zst or .parquet")
      ->required()
      ->type_name("FILE");
  app.add_option("--to", flags->to, "The format")->required()->type_name("FORMAT");
  app.add_option("--from", flags->from, "What the input is (auto: found for each record)")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("-t,--threads", flags->run.thread_count, "Threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_flag("--json", flags->run.as_json, "Print one JSON object");
  app.footer(kConvertNotes);
  return [flags] {
    const json::object recipe = {{"input", json::value_from(flags->inputs)},
                                 {"input_format", flags->from},
                                 {"output", flags->output},
                                 {"output_format", flags->to}};
    return run_and_report(data::read_recipe(to_json_text(recipe), "the command line", {}), flags->run, false);
  };
}

}  // namespace pelton::cli
