// `pelton data pack`: records as tokens, once, for training.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/json_text.h"
#include "cli/data_commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "model/bundle.h"
#include "report/text_table.h"
#include "train/pack.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "The output is a safetensors file that can be mapped: all tokens back to back, which of them are learnt, and where "
    "sequences and examples end; its metadata count tokens by source. `pelton tune --data X.tokens.safetensors` reads "
    "it in place of the records, for the model whose tokenizer made it.\n"
    "\n"
    "Examples:\n"
    "  pelton data pack -m smollm2-135m-instruct-q4_1 chats.jsonl -o chats.tokens.safetensors\n"
    "  pelton data pack -m model.gguf books/ -o books.tokens.safetensors --cut --source-field source\n";

struct PackFlags {
  std::string model;
  std::vector<std::string> inputs;
  std::string output;
  PackOptions pack;
  int thread_count = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  bool skips_bad = false;
  bool as_json = false;
};

json::object to_json(const PackReport& report, double elapsed_s) {
  json::array sources;
  for (const SourceTokens& source : report.sources) {
    sources.push_back(json::object{
        {"source", source.name}, {"examples", source.examples}, {"tokens", source.tokens}, {"learnt", source.learnt}});
  }
  json::object forms;
  for (const auto& [form, count] : report.records.by_form) forms[record_form_name(form)] = count;
  return {{"records", std::move(forms)},
          {"skipped", report.records.skipped},
          {"first_skipped", report.records.first_skipped},
          {"sources", std::move(sources)},
          {"text_bytes", report.text_bytes},
          {"seconds", json_number(elapsed_s)}};
}

std::string to_text(const PackReport& report, const std::string& output, double elapsed_s) {
  TextTable table({{"source", Align::kLeft}, {"examples"}, {"tokens"}, {"learnt"}});
  int64_t tokens = 0;
  for (const SourceTokens& source : report.sources) {
    table.add_row({source.name, fmt::format("{}", source.examples), fmt::format("{}", source.tokens),
                   fmt::format("{}", source.learnt)});
    tokens += source.tokens;
  }
  std::string text = table.to_string();
  text += fmt::format("\n{} records, {} tokens, {:.1f} MB in {:.2f} s; in {}\n", report.records.taken(), tokens,
                      static_cast<double>(report.text_bytes) / 1e6, elapsed_s, output);
  if (report.records.skipped > 0) {
    text += fmt::format("{} records skipped; the first: {}\n", report.records.skipped, report.records.first_skipped);
  }
  return text;
}

int pack(PackFlags& flags) {
  const InterruptScope interrupt;
  flags.pack.thread_count = static_cast<size_t>(flags.thread_count);
  flags.pack.bad = flags.skips_bad ? BadRecord::kSkip : BadRecord::kStop;
  flags.pack.should_stop = [&] { return interrupt.signal() != 0; };
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(flags.model);
  const SteadyClock clock;
  const TimePoint start = clock.now();
  PackReport report;
  try {
    report = pack_records(bundle, flags.inputs, flags.output, flags.pack);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    print_note("stopped; nothing was written");
    return InterruptScope::exit_code(interrupt.signal());
  }
  const double elapsed_s = seconds(clock.now() - start);
  if (flags.as_json) {
    print_json(to_json(report, elapsed_s));
  } else {
    print_text(valid_utf8(to_text(report, flags.output, elapsed_s)));
  }
  return 0;
}

}  // namespace

std::function<int()> add_data_pack(CLI::App& app) {
  const auto flags = std::make_shared<PackFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("-m,--model", flags->model, "The model whose tokenizer and chat template make the tokens")
      ->required()
      ->type_name("MODEL");
  app.add_option("-o,--output", flags->output, "The output: NAME.tokens.safetensors")->required()->type_name("FILE");
  app.add_option("--sequence-length", flags->pack.sequence_length_max, "The most tokens of an example")
      ->check(CLI::Range(2, 1 << 30))
      ->capture_default_str();
  app.add_flag("--cut", flags->pack.cuts_texts, "Make several examples of a text that is longer");
  app.add_option("--source-field", flags->pack.source_field, "Count by this field of the records, not by file")
      ->type_name("NAME");
  app.add_flag("--skip-bad-records", flags->skips_bad, "Count and skip what cannot be used, in place of stopping");
  app.add_option("-t,--threads", flags->thread_count, "Threads; the output is the same for any number")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [flags] { return pack(*flags); };
}

}  // namespace pelton::cli
