// `pelton pull`: models and data sets from a hub into the cache.
#include "hub/pull.h"

#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/byte_size.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "cli/transfer_progress.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "NAME is hf:ORG/NAME[:FILE][@REVISION], the same after dataset:, or the https:// address of a GGUF file. FILE is "
    "a\n"
    "file's name or a pattern (*, ?, [a-z]); without it comes what a model needs: config, tokenizer, safetensors (or "
    "the\n"
    "only GGUF file); of a data set Parquet, JSONL, card and licence. Files that can run code (pickle: .bin, .pt, …) "
    "never\n"
    "come. The cache is huggingface_hub's own. A pull that was stopped, killed too, goes on where it was.\n"
    "\n"
    "HF_TOKEN (or the file that `hf auth login` writes), HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE,\n"
    "HF_HUB_DOWNLOAD_TIMEOUT, HTTPS_PROXY and SSL_CERT_FILE mean here what they mean there. --json prints one object "
    "at\n"
    "the end: path, commit, license, files, …\n"
    "\n"
    "Examples:\n"
    "  pelton pull hf:HuggingFaceTB/SmolLM2-135M-Instruct\n"
    "  pelton pull 'hf:bartowski/SmolLM2-135M-Instruct-GGUF:*Q4_K_M.gguf'\n"
    "  pelton pull dataset:hf:openai/gsm8k@main\n";

struct CommandOptions {
  std::string name;
  PullOptions pull;
  bool is_quiet = false;
  bool as_json = false;
};

// The pull ends with this where a signal came.
struct Interrupted {
  int signal;
};

class Reporter final : public PullObserver {
 public:
  explicit Reporter(bool is_quiet) : line_(is_quiet), is_quiet_(is_quiet) {}

  void on_plan(const PullPlan& plan) override {
    const std::string commit = plan.commit.empty() ? "" : fmt::format(" at {}", plan.commit.substr(0, 12));
    const std::string missing = plan.missing_bytes == plan.total_bytes
                                    ? ""
                                    : fmt::format(", {} to fetch", format_byte_size(plan.missing_bytes));
    on_note(fmt::format("{}{}: {} file{}, {}{}; licence: {}", plan.source, commit, plan.file_count,
                        plan.file_count == 1 ? "" : "s", format_byte_size(plan.total_bytes), missing,
                        to_string(plan.license)));
    interrupt_.emplace();  // from here on there is something to keep
  }

  void on_progress(const DownloadProgress& progress) override {
    if (interrupt_ && interrupt_->signal() != 0) throw Interrupted{interrupt_->signal()};
    const TimePoint now = SteadyClock().now();
    rate_.add(now, progress.transferred_bytes);
    const bool is_end = progress.done_bytes == progress.total_bytes && progress.unchecked_bytes == 0;
    if (is_end && has_ended_) return;
    const std::lock_guard lock(mutex_);
    if (!is_end && !line_.is_due(now)) return;
    has_ended_ = is_end;
    std::string text = describe_transfer(progress.done_bytes, progress.total_bytes, rate_.bytes_per_second());
    if (progress.unchecked_bytes > 0) text += fmt::format(", {} to check", format_byte_size(progress.unchecked_bytes));
    line_.show(now, text);
  }

  void on_note(const std::string& note) override {
    if (is_quiet_) return;
    const std::lock_guard lock(mutex_);
    line_.note(note);
  }

 private:
  std::mutex mutex_;
  ProgressLine line_;
  TransferRate rate_;
  bool is_quiet_;
  bool has_ended_ = false;
  std::optional<InterruptScope> interrupt_;
};

json::object report_of(const PullResult& result) {
  json::array files;
  for (const PulledFile& file : result.files) {
    files.push_back({{"path", valid_utf8(file.path)}, {"bytes", file.size_bytes}, {"blob", file.blob}});
  }
  json::object report = {{"name", valid_utf8(result.plan.source)},
                         {"commit", nullptr},
                         {"path", valid_utf8(result.path.string())},
                         {"total_bytes", result.plan.total_bytes},
                         {"missing_bytes", result.plan.missing_bytes},
                         {"transferred_bytes", result.transferred_bytes},
                         {"offline", result.is_offline}};
  if (!result.plan.commit.empty()) report["commit"] = result.plan.commit;
  for (const auto& [key, value] : to_json(result.plan.license)) {
    report[key] = value.is_string() ? json::value(valid_utf8(value.get_string())) : value;
  }
  report["files"] = std::move(files);
  return report;
}

bool is_address(const std::string& name) { return name.find("://") != std::string::npos && !name.starts_with("hf:"); }

PullResult pull_anything(const CommandOptions& options, const HubEnvironment& environment, PullObserver& observer) {
  std::optional<HubName> name;
  std::optional<Url> url;
  if (is_address(options.name)) {
    url = parse_url(options.name);
    name = hub_name_of_address(*url, parse_url(environment.endpoint));
  } else {
    name = parse_hub_name(options.name);
  }
  if (!name && !url) {
    throw Error(ErrorCode::kUsage, fmt::format("\"{}\" is neither hf:ORG/NAME, nor dataset:hf:ORG/NAME, nor an address",
                                               one_line(options.name, 200)));
  }
  if (!name) return pull_address(*url, environment, options.pull, observer);
  if (options.pull.sha256 || options.pull.name) {
    throw Error(ErrorCode::kUsage, "--sha256 and --name are for addresses; the hub tells a file's checksum itself");
  }
  return pull_from_hub(*name, environment, options.pull, observer);
}

std::string list_of_files(const PullResult& result) {
  std::string text;
  for (const PulledFile& file : result.files) {
    text += fmt::format("{:>10}  {}\n", format_byte_size(file.size_bytes), one_line(file.path, 300));
  }
  return text;
}

int pull(const CommandOptions& options) {
  const HubEnvironment environment = read_hub_environment();
  PullResult result;
  {
    Reporter reporter(options.is_quiet || environment.is_quiet);
    try {
      result = pull_anything(options, environment, reporter);
    } catch (const Interrupted& interrupted) {
      reporter.on_note("stopped; what has come is kept, and the same command goes on with it");
      return InterruptScope::exit_code(interrupted.signal);
    }
  }
  if (options.as_json) {
    print_json(report_of(result));
  } else {
    print_text(options.pull.is_dry_run ? list_of_files(result) : valid_utf8(result.path.string()) + "\n");
  }
  return 0;
}

std::string sha256_problem(const std::string& text) {
  const bool is_hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  return is_hex && text.size() == 64 ? "" : "expected 64 hexadecimal digits";
}

}  // namespace

std::function<int()> add_pull(CLI::App& app) {
  constexpr int kConnectionsMax = 32;
  constexpr int kRetriesMax = 100;
  const auto options = std::make_shared<CommandOptions>();
  app.add_option("name", options->name, "What to fetch")->required()->type_name("NAME");
  app.add_option("--connections", options->pull.connection_count, "Files, or parts of large files, at the same time")
      ->check(CLI::Range(1, kConnectionsMax))
      ->capture_default_str();
  app.add_option("--retries", options->pull.retries_max, "Tries in a row without progress, after the first")
      ->check(CLI::Range(0, kRetriesMax))
      ->capture_default_str();
  app.add_option("--sha256", options->pull.sha256, "The checksum that the file at an address must have")
      ->check(sha256_problem)
      ->type_name("HEX");
  app.add_option("--name", options->pull.name, "The short name of the model at an address (default: the file's)")
      ->type_name("NAME");
  app.add_flag("--dry-run", options->pull.is_dry_run, "Look up what would come, with sizes, and fetch nothing");
  app.add_flag("-q,--quiet", options->is_quiet, "No notes and no progress on standard error");
  app.add_flag("--json", options->as_json, "Print one JSON object at the end");
  app.footer(kNotes);
  return [options] {
    if (options->pull.sha256) {
      for (char& letter : *options->pull.sha256) {
        if (letter >= 'A' && letter <= 'F') letter = static_cast<char>(letter - 'A' + 'a');
      }
    }
    return pull(*options);
  };
}

}  // namespace pelton::cli
