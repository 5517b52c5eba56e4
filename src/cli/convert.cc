// `pelton convert`: models from one format and element type to another.
#include "model/convert.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "model/bundle.h"
#include "model/type_mix.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "SRC is a GGUF file, a Hugging Face folder, or the short name of a model in the cache. DST is a GGUF file where it "
    "ends\n"
    "in .gguf, else a Hugging Face folder. Metadata, tokenizer and chat template come along. Without --type the "
    "element\n"
    "types stay (quantised weights become f32 in a folder). Norms, biases and other vectors are f32 in every type; "
    "where\n"
    "rows cannot hold blocks of 256 values, the tensor gets a format with blocks of 32 that is as good, and the report "
    "says\n"
    "so. q4_k_m, q4_k_s and q5_k_m are llama.cpp's mixes.\n"
    "\n"
    "The result appears whole or not at all, and is the same bytes for the same source, type and version, on any "
    "number "
    "of\n"
    "threads. With --json progress goes to standard error as before, and the report is one object: source, "
    "destination\n"
    "(format, bytes of the tensors), tensors, types, fallbacks, notes, seconds.\n"
    "\n"
    "Examples:\n"
    "  pelton convert folder/ model.gguf --type q4_k_m\n"
    "  pelton convert model.gguf smaller.gguf --type q8_0 --json\n"
    "  pelton convert model.gguf folder/ --type bf16\n";

struct ConvertCommandOptions {
  std::string source;
  std::string destination;
  std::string type;
  bool replaces = false;
  int thread_count = 0;
  bool as_json = false;
};

// Share, rate and time left, on standard error: one line that is written over in a terminal, else a line now and then.
class ProgressNote {
 public:
  explicit ProgressNote(const Clock& clock) : clock_(clock), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

  void update(const ConvertProgress& progress) {
    const bool is_last = progress.bytes_done == progress.bytes_total;
    const TimePoint now = clock_.now();
    if (now - written_ < (is_terminal_ ? kTerminalInterval : kLogInterval) && !(is_last && has_written_)) return;
    written_ = now;
    has_written_ = true;
    const double rate = static_cast<double>(progress.bytes_done) / std::max(elapsed_s(), 1e-9);
    const double rest_s = static_cast<double>(progress.bytes_total - progress.bytes_done) / std::max(rate, 1.0);
    const std::string line =
        fmt::format("{:3.0f} % of {}, {}/s, {:.0f} s left, {}",
                    100.0 * static_cast<double>(progress.bytes_done) / static_cast<double>(progress.bytes_total),
                    format_byte_size(progress.bytes_total), format_byte_size(static_cast<int64_t>(rate)), rest_s,
                    one_line(progress.tensor, kNameBytesMax));
    if (!is_terminal_) return print_note(line);
    fmt::print(stderr, "\r{}\x1b[K{}", line, is_last ? "\n" : "");
  }

  double elapsed_s() const { return seconds(clock_.now() - start_); }

 private:
  static constexpr Duration kTerminalInterval = std::chrono::milliseconds(200);
  static constexpr Duration kLogInterval = std::chrono::seconds(2);
  static constexpr size_t kNameBytesMax = 48;

  const Clock& clock_;
  bool is_terminal_;
  TimePoint start_ = clock_.now();
  TimePoint written_ = start_;
  bool has_written_ = false;
};

json::object report_to_json(const ConvertReport& report, const ConvertCommandOptions& options, double elapsed_s) {
  json::array types;
  for (const ConvertedType& use : report.types) {
    types.push_back({{"type", element_type_name(use.type)}, {"tensors", use.tensor_count}, {"bytes", use.bytes}});
  }
  json::array fallbacks;
  for (const TypeFallback& fallback : report.fallbacks) {
    fallbacks.push_back({{"tensor", valid_utf8(fallback.target.name)},
                         {"wanted", element_type_name(fallback.wanted)},
                         {"type", element_type_name(fallback.target.type)},
                         {"row_length", fallback.target.shape.innermost()}});
  }
  json::array notes;
  for (const std::string& note : report.notes) notes.push_back(json::string(valid_utf8(note)));
  return {{"source", {{"format", report.source_format}, {"bytes", report.source_bytes}}},
          {"destination",
           {{"path", valid_utf8(options.destination)},
            {"format", report.destination_format},
            {"bytes", report.destination_bytes}}},
          {"tensors", report.tensor_count},
          {"types", std::move(types)},
          {"fallbacks", std::move(fallbacks)},
          {"notes", std::move(notes)},
          {"seconds", json_number(elapsed_s)}};
}

// One line for all tensors that missed the same type for the same reason.
std::string fallbacks_to_text(const std::vector<TypeFallback>& fallbacks) {
  struct Group {
    ElementType wanted;
    ElementType type;
    int64_t row_length;
    int64_t count;
  };
  std::vector<Group> groups;
  for (const TypeFallback& fallback : fallbacks) {
    const int64_t row_length = fallback.target.shape.innermost();
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& known) {
      return known.wanted == fallback.wanted && known.type == fallback.target.type && known.row_length == row_length;
    });
    if (group == groups.end()) {
      groups.push_back({fallback.wanted, fallback.target.type, row_length, 1});
    } else {
      ++group->count;
    }
  }
  std::string text;
  for (const Group& group : groups) {
    text +=
        fmt::format("Note           {} tensor{} with rows of {} {} {}: {} needs whole blocks of {}\n", group.count,
                    group.count == 1 ? "" : "s", group.row_length, group.count == 1 ? "is" : "are",
                    element_type_name(group.type), element_type_name(group.wanted), info(group.wanted).block_elements);
  }
  return text;
}

std::string report_to_text(const ConvertReport& report, const ConvertCommandOptions& options, double elapsed_s) {
  constexpr size_t kNoteBytesMax = 1000;
  std::string text = fmt::format(
      "From           {}, {} of weights\n"
      "To             {}: {}, {} in {} tensors, in {:.1f} s\n",
      report.source_format, format_byte_size(report.source_bytes), valid_utf8(options.destination),
      report.destination_format, format_byte_size(report.destination_bytes), report.tensor_count, elapsed_s);
  for (const ConvertedType& use : report.types) {
    text += fmt::format("               {:<5} {:>10} in {} tensor{}\n", element_type_name(use.type),
                        format_byte_size(use.bytes), use.tensor_count, use.tensor_count == 1 ? "" : "s");
  }
  text += fallbacks_to_text(report.fallbacks);
  for (const std::string& note : report.notes)
    text += fmt::format("Note           {}\n", one_line(note, kNoteBytesMax));
  return text;
}

int convert(const ConvertCommandOptions& options) {
  ConvertOptions work;
  work.source = resolve_model_path(options.source);
  work.destination = options.destination;
  work.type = options.type;
  work.replaces = options.replaces;

  const SteadyClock clock;
  ProgressNote note(clock);
  const InterruptScope interrupt;
  work.on_progress = [&](const ConvertProgress& progress) { note.update(progress); };
  work.is_cancelled = [&] { return interrupt.signal() != 0; };
  Executor executor(options.thread_count);
  ConvertReport report;
  try {
    report = convert_model(executor, work);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    print_note("pelton: stopped; nothing was written");
    return InterruptScope::exit_code(interrupt.signal());
  }
  const double elapsed_s = note.elapsed_s();
  if (options.as_json) {
    print_json(report_to_json(report, options, elapsed_s));
  } else {
    print_text(report_to_text(report, options, elapsed_s));
  }
  return 0;
}

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (const TypeMix& mix : type_mixes()) names.emplace_back(mix.name);
  return names;
}

}  // namespace

std::function<int()> add_convert(CLI::App& app) {
  constexpr int kThreadsMax = 1024;
  const auto options = std::make_shared<ConvertCommandOptions>();
  app.add_option("source", options->source, "What to convert")->required()->type_name("SRC");
  app.add_option("destination", options->destination, "What to write")->required()->type_name("DST");
  app.add_option("--type", options->type, "Element type, or mix of them, of the matrices (default: as they are)")
      ->check(CLI::IsMember(type_names()));
  app.add_flag("--force", options->replaces, "Replace DST where it is there already");
  app.add_option("-t,--threads", options->thread_count, "Threads (default: one for each usable core)")
      ->check(CLI::Range(1, kThreadsMax));
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] { return convert(*options); };
}

}  // namespace pelton::cli
