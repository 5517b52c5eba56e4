// `pelton data steps`, `validate` and `trace`: looking at steps and records.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/data_commands.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "data/scan.h"
#include "data/step.h"
#include "data/trace.h"
#include "data/validate.h"
#include "report/text_table.h"

namespace pelton::cli {
namespace {

constexpr size_t kShownBytesMax = 300;

constexpr const char* kValidateNotes =
    "Finds: lines that are no record, roles out of order, empty turns, chats without an answer, calls of tools that do "
    "not\n"
    "match their results, their definitions or JSON, code fences that stay open, reasoning without an answer.\n"
    "Exit code 1 if anything was found.\n"
    "\n"
    "Examples:\n"
    "  pelton data validate chats.jsonl\n"
    "  pelton data validate chats/ --json | jq '.rules'\n";

constexpr const char* kTraceNotes =
    "OUTPUT is what a run wrote; its manifest, lineage and dropped file lie beside it. Where an input was itself the "
    "output of a\n"
    "run, the story goes on there.\n"
    "\n"
    "Example:\n"
    "  pelton data trace doc-17 clean.jsonl\n";

constexpr const char* kStepsNotes =
    "A step stands in a recipe by its name, with its options. A wrong option is refused, and the options there are are "
    "named.\n"
    "By what texts mean, with vectors of a model (an encoder as all-MiniLM-L6-v2, or any that generates text; `in` "
    "says "
    "whether\n"
    "all of a record counts, its questions or its answers):\n"
    "  - semantic_duplicates: {model: all-MiniLM-L6-v2/, similarity: 0.95, keep: longest}\n"
    "  - cluster: {model: all-MiniLM-L6-v2/, clusters: 20, field: topic, in: questions}\n"
    "  - diverse: {model: all-MiniLM-L6-v2/, count: 5000, method: k_center}    # or facility_location; share: 0.1\n"
    "Splits between which nothing leaks, by words (near duplicates), by meaning (paraphrases) or both; a report counts "
    "the groups:\n"
    "  - split: {test: 0.1, validation: 0.1, group: both, model: all-MiniLM-L6-v2/, similarity: 0.8}\n"
    "Mixtures, evened out by a field (such as a topic), or with as much synthetic data as is wanted:\n"
    "  - sample: {by: topic, temperature: 3, size: 10000}\n"
    "  - sample: {by: synthetic, weights: [real=3, synthetic=1]}\n"
    "Twins that speak of others (gender, or pairs of terms), in a file beside the records that they are of:\n"
    "  - counterfactual: {swap: gender, terms: [nurse=doctor], keep_others: false}\n"
    "An order, easy ones first: by length, turns or a number that an earlier step has noted; levels are shuffled "
    "inside; or "
    "by chance:\n"
    "  - curriculum: {by: perplexity, order: ascending, levels: 5, missing: last}\n"
    "  - curriculum: {by: random, seed: 1}\n"
    "\n"
    "Examples:\n"
    "  pelton data steps\n"
    "  pelton data steps --json | jq -r '.steps[].name'\n";

int list_steps(bool as_json) {
  json::array array;
  TextTable table({{"step", Align::kLeft}, {"what it does", Align::kLeft}});
  for (const data::StepType& type : data::step_types()) {
    array.push_back(json::object{{"name", type.name}, {"summary", type.summary}});
    table.add_row({std::string(type.name), std::string(type.summary)});
  }
  if (as_json) {
    print_json(json::object{{"steps", std::move(array)}});
  } else {
    print_text(table.to_string());
  }
  return 0;
}

struct ValidateFlags {
  std::vector<std::string> inputs;
  std::string format = "auto";
  size_t shown_max = 20;
  bool as_json = false;
};

class ValidationReport {
 public:
  explicit ValidationReport(const ValidateFlags& flags) : flags_(flags) {}

  void count(const data::Record& record) {
    ++record_count_;
    ++formats_[std::string(data::format_name(record.format))];
  }

  void add(const std::string& path, uint64_t line, std::string_view id, std::string_view rule,
           const std::string& detail) {
    ++rules_[std::string(rule)];
    if (findings_.size() == flags_.shown_max) return;
    findings_.push_back(json::object{{"source", valid_utf8(path)},
                                     {"line", line},
                                     {"id", valid_utf8(id)},
                                     {"rule", rule},
                                     {"detail", valid_utf8(detail)}});
  }

  int print() const {
    if (flags_.as_json) {
      print_json(json::object{{"records", record_count_},
                              {"formats", json::value_from(formats_)},
                              {"rules", json::value_from(rules_)},
                              {"findings", findings_}});
    } else {
      print_text(to_text());
    }
    return rules_.empty() ? 0 : 1;
  }

 private:
  std::string to_text() const {
    std::string text = fmt::format("{} records:", record_count_);
    for (const auto& [name, count] : formats_) text += fmt::format(" {} {}", count, name);
    text += '\n';
    if (rules_.empty()) return text + "Nothing found.\n";
    TextTable table({{"rule", Align::kLeft}, {"found"}});
    for (const auto& [rule, count] : rules_) table.add_row({rule, fmt::format("{}", count)});
    text += "\n" + table.to_string() + "\n";
    for (const json::value& item : findings_) {
      const json::object& finding = item.as_object();
      const auto text_of = [&](std::string_view key) {
        return one_line(std::string_view(finding.at(key).as_string()), kShownBytesMax);
      };
      text += fmt::format("{}:{}: {}: {}\n", text_of("source"), finding.at("line").to_number<uint64_t>(),
                          text_of("rule"), text_of("detail"));
    }
    return text;
  }

  const ValidateFlags& flags_;
  uint64_t record_count_ = 0;
  std::map<std::string, uint64_t> formats_;
  std::map<std::string, uint64_t> rules_;
  json::array findings_;
};

int validate(const ValidateFlags& flags) {
  const std::vector<data::InputFile> files = data::find_input_files(flags.inputs);
  std::optional<data::Format> format;
  if (flags.format != "auto") {
    format = data::format_named(flags.format);
    if (!format) throw Error(ErrorCode::kUsage, fmt::format("--format: there is no format '{}'", flags.format));
  }
  ValidationReport report(flags);
  data::Validator validator;
  data::scan_records(
      files, format,
      [&](const data::ScannedRecord& scanned) {
        const data::Record& record = scanned.record;
        report.count(record);
        for (const data::Finding& finding : validator.check(record)) {
          report.add(record.source->path, record.line_number, record.id, finding.rule, finding.detail);
        }
        return true;
      },
      [&](const data::InputFile& file, const data::BadLine& line) {
        report.add(file.source.path, line.number, "", "no_record", line.reason);
      });
  return report.print();
}

std::string story_to_text(const json::array& story) {
  std::string text;
  const auto line_of = [](const json::value& value) { return one_line(json::serialize(value), kShownBytesMax); };
  for (const json::value& item : story) {
    const json::object& entry = item.as_object();
    const json::object& read = entry.at("read").as_object();
    text += fmt::format("{}\n  read     {}:{}, hash {}\n", valid_utf8(std::string_view(entry.at("output").as_string())),
                        valid_utf8(std::string_view(read.at("source").as_string())),
                        read.at("line").to_number<uint64_t>(), std::string_view(read.at("hash").as_string()));
    for (const std::string_view key : {"license", "url", "split", "synthetic", "record"}) {
      if (const json::value* value = read.if_contains(key))
        text += fmt::format("           {}: {}\n", key, line_of(*value));
    }
    for (const json::value& change : entry.at("changes").as_array())
      text += fmt::format("  changed  {}\n", line_of(change));
    if (const json::value* dropped = entry.if_contains("dropped"))
      text += fmt::format("  dropped  {}\n", line_of(*dropped));
    if (const json::value* kept = entry.if_contains("kept")) text += fmt::format("  kept     {}\n", line_of(*kept));
  }
  return text;
}

}  // namespace

std::function<int()> add_data_steps(CLI::App& app) {
  const auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print one JSON object");
  app.footer(kStepsNotes);
  return [as_json] { return list_steps(*as_json); };
}

std::function<int()> add_data_validate(CLI::App& app) {
  const auto flags = std::make_shared<ValidateFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("--format", flags->format, "The format of all records (auto: found for each)")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("--show", flags->shown_max, "How many findings to show")->capture_default_str();
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kValidateNotes);
  return [flags] { return validate(*flags); };
}

std::function<int()> add_data_trace(CLI::App& app) {
  struct TraceFlags {
    std::string id;
    std::string output;
    bool as_json = false;
  };
  const auto flags = std::make_shared<TraceFlags>();
  app.add_option("id", flags->id, "The record's id")->required()->type_name("ID");
  app.add_option("output", flags->output, "The output of a run")->required()->type_name("OUTPUT");
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kTraceNotes);
  return [flags] {
    json::array story = data::trace_record(flags->id, flags->output);
    if (flags->as_json) {
      print_json(json::object{{"id", flags->id}, {"story", std::move(story)}});
    } else {
      print_text(story_to_text(story));
    }
    return 0;
  };
}

}  // namespace pelton::cli
