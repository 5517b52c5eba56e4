// `pelton data stats`, `diff` and `sample`: looking at whole data sets.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/data_commands.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "data/diff.h"
#include "data/reservoir.h"
#include "data/run_samples.h"
#include "data/scan.h"
#include "data/stats.h"
#include "data/stats_page.h"
#include "report/text_table.h"

namespace pelton::cli {
namespace {

constexpr size_t kShownBytesMax = 160;

constexpr const char* kStatsNotes =
    "With --against, another version stands beside it. --html writes one page that needs nothing else, with a map of "
    "what is\n"
    "covered: what is asked (or a field, as the topic that a recipe's `cluster` notes) by the form of the answer.\n"
    "Of a run's output it also tells what each step did; the page and JSON show records that were dropped, changed, "
    "kept.\n"
    "Openings, styles and people come from English word lists: hints of what lacks or leans, not verdicts.\n"
    "\n"
    "Examples:\n"
    "  pelton data stats clean.jsonl\n"
    "  pelton data stats clean.jsonl --against raw.jsonl --html report.html\n"
    "  pelton data stats clean.jsonl --by topic --html report.html\n"
    "  pelton data stats chats/*.jsonl --json | jq '.words_per_answer'\n";

constexpr const char* kDiffNotes =
    "Records are the same by their id, or by their content where they have none.\n"
    "\n"
    "Examples:\n"
    "  pelton data diff raw.jsonl clean.jsonl\n"
    "  pelton data diff v1.jsonl v2.jsonl --json --show 1000 | jq -c '.examples[] | select(.kind == \"content\")'\n";

constexpr const char* kSampleNotes =
    "Every record is as likely as any other; they come in the order of the input. The same seed gives the same "
    "sample.\n"
    "\n"
    "Example:\n"
    "  pelton data sample clean.jsonl -n 50 > look-at-these.jsonl\n";

struct StatsFlags {
  std::vector<std::string> inputs;
  std::string against;
  std::string html_path;
  std::string coverage_by;
  size_t duplicates_shown = 10;
  size_t samples_shown = 3;
  bool as_json = false;
};

data::StatsColumn collect(const std::vector<std::string>& inputs, const StatsFlags& flags) {
  data::StatsColumn column;
  column.title = inputs.size() == 1 ? inputs[0] : fmt::format("{} inputs", inputs.size());
  column.stats = data::collect_stats(
      data::find_input_files(inputs),
      {.format = std::nullopt, .top_duplicates_max = flags.duplicates_shown, .coverage_by = flags.coverage_by});
  if (inputs.size() == 1) column.run = data::sample_run(inputs[0], {.per_reason_max = flags.samples_shown});
  return column;
}

json::object to_json(const data::StatsColumn& column) {
  json::object object = data::to_json(column.stats);
  if (column.run) object["run"] = data::to_json(*column.run);
  return object;
}

// The most frequent ones first.
std::string names_to_text(const data::NamedCounts& counts) {
  constexpr size_t kNamesMax = 12;
  std::vector<std::pair<std::string_view, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  size_t shown = 0;
  for (const auto& [name, count] : sorted) {
    if (++shown > kNamesMax) return text + fmt::format(", … {} more", counts.size() - kNamesMax);
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", one_line(name, kShownBytesMax), count);
  }
  return text;
}

std::string chats_to_text(const data::DatasetStats& stats) {
  std::string text = fmt::format(
      "Chats       {}: {} with several answers, {} with a system prompt, {} with tool calls, {} with reasoning, {} "
      "more "
      "that go step by step\n",
      stats.turns_per_chat.count(), stats.multi_turn, stats.with_system_prompt, stats.with_tool_calls,
      stats.with_reasoning, stats.with_steps);
  text += fmt::format("Questions   {}\n", names_to_text(stats.question_kinds));
  text += fmt::format("Openings    {}\n", names_to_text(stats.openings));
  text += fmt::format("Styles      {}\n", names_to_text(stats.question_styles));
  return text + fmt::format("Answers     {}\n", names_to_text(stats.answer_forms));
}

// Empty: nobody is spoken of.
std::string groups_to_text(const data::GroupCounts& groups) {
  TextTable table({{"people", Align::kLeft},
                   {"mentions"},
                   {"in texts"},
                   {"questions"},
                   {"answers"},
                   {"others"},
                   {"near good words"},
                   {"near bad words"}});
  for (const auto& [name, group] : groups) {
    if (group.count() == 0) continue;
    const auto share = [count = group.count()](uint64_t part) {
      return fmt::format("{:.0f} %", 100.0 * static_cast<double>(part) / static_cast<double>(count));
    };
    table.add_row({name, fmt::format("{}", group.count()), fmt::format("{}", group.in_texts),
                   fmt::format("{}", group.in_questions), fmt::format("{}", group.in_answers),
                   fmt::format("{}", group.in_others), share(group.positive), share(group.negative)});
  }
  return table.empty() ? "" : "\n" + table.to_string();
}

std::string to_text(const data::DatasetStats& stats) {
  std::string text = fmt::format("Records     {}, {:.1f} MB, {} files\n", stats.records,
                                 static_cast<double>(stats.bytes) / 1e6, stats.file_count);
  if (stats.bad_lines > 0) text += fmt::format("Bad         {} lines are no record\n", stats.bad_lines);
  text += fmt::format("Formats     {}\n", names_to_text(stats.formats));
  text += fmt::format("Sources     {}\n", names_to_text(stats.sources));
  text += fmt::format("Licences    {}\n", names_to_text(stats.licenses));
  text += fmt::format("Splits      {}\n", names_to_text(stats.splits));
  text += fmt::format("Duplicates  {} exact, {} repeated ids\n", stats.duplicates, stats.repeated_ids);
  text += fmt::format("Synthetic   {}\n", stats.synthetic);
  text += fmt::format("Languages   {}\n", names_to_text(stats.languages));
  if (stats.turns_per_chat.count() > 0) text += chats_to_text(stats);
  TextTable table({{"", Align::kLeft}, {"min"}, {"5 %"}, {"median"}, {"mean"}, {"95 %"}, {"max"}, {"sum"}});
  const auto add = [&](const std::string& label, const data::CountDistribution& counts) {
    if (counts.count() == 0) return;
    table.add_row({label, fmt::format("{}", counts.min()), fmt::format("{}", counts.quantile(0.05)),
                   fmt::format("{}", counts.quantile(0.5)), fmt::format("{:.1f}", counts.mean()),
                   fmt::format("{}", counts.quantile(0.95)), fmt::format("{}", counts.max()),
                   fmt::format("{}", counts.sum())});
  };
  add("bytes a record", stats.bytes_per_record);
  add("words a record", stats.words_per_record);
  add("messages a chat", stats.turns_per_chat);
  add("words a question", stats.words_per_question);
  add("words an answer", stats.words_per_answer);
  text += "\n" + table.to_string() + groups_to_text(stats.groups);
  if (stats.top_duplicates.empty()) return text;
  text += "\nWhat repeats most:\n";
  for (const data::DuplicateGroup& group : stats.top_duplicates) {
    text += fmt::format("  {} times, first {}: {}\n", group.count, one_line(group.first_id, kShownBytesMax),
                        one_line(group.excerpt, kShownBytesMax));
  }
  return text;
}

// What each step did; the page has records of it.
std::string run_to_text(const data::RunSamples& run) {
  TextTable table({{"step", Align::kLeft}, {"seen"}, {"dropped"}, {"changed"}, {"why", Align::kLeft}});
  for (const data::StepSamples& step : run.steps) {
    table.add_row({step.step, fmt::format("{}", step.counts.seen), fmt::format("{}", step.counts.dropped),
                   fmt::format("{}", step.counts.changed), names_to_text(step.counts.reasons)});
  }
  return fmt::format("\nRun         {} records read, {} kept\n{}", run.records, run.kept, table.to_string());
}

int show_stats(const StatsFlags& flags) {
  std::vector<data::StatsColumn> columns;
  if (!flags.against.empty()) columns.push_back(collect({flags.against}, flags));
  columns.push_back(collect(flags.inputs, flags));
  if (!flags.html_path.empty())
    replace_file(flags.html_path, data::stats_page("Data set: " + columns.back().title, columns));
  if (flags.as_json) {
    json::object object = to_json(columns.back());
    if (columns.size() > 1) object["against"] = to_json(columns.front());
    print_json(object);
    return 0;
  }
  for (const data::StatsColumn& column : columns) {
    print_text(fmt::format("{}{}\n{}\n", &column == &columns.front() ? "" : "\n", valid_utf8(column.title),
                           to_text(column.stats) + (column.run ? run_to_text(*column.run) : "")));
  }
  if (!flags.html_path.empty()) print_note(fmt::format("wrote {}", flags.html_path));
  return 0;
}

struct DiffFlags {
  std::string before;
  std::string after;
  size_t shown_max = 5;
  bool as_json = false;
};

json::object to_json(const data::DatasetDiff& diff) {
  json::array examples;
  for (const data::RecordChange& change : diff.examples) {
    json::object object = {{"kind", change.kind}, {"id", change.id}};
    if (!change.before.empty()) object["before"] = json::parse(change.before);
    if (!change.after.empty()) object["after"] = json::parse(change.after);
    examples.push_back(std::move(object));
  }
  return {{"records_before", diff.records_before},
          {"records_after", diff.records_after},
          {"same", diff.same},
          {"content", diff.content},
          {"fields", diff.fields},
          {"added", diff.added},
          {"removed", diff.removed},
          {"repeated_ids", diff.repeated_ids},
          {"bad_lines", diff.bad_lines},
          {"examples", std::move(examples)}};
}

std::string to_text(const data::DatasetDiff& diff) {
  std::string text = fmt::format(
      "Records   {} before, {} after\n"
      "Same      {}\n"
      "Changed   {} in what they say, {} in other fields\n"
      "Added     {}\n"
      "Removed   {}\n",
      diff.records_before, diff.records_after, diff.same, diff.content, diff.fields, diff.added, diff.removed);
  if (diff.repeated_ids > 0) text += fmt::format("Repeated  {} ids; of each the first counts\n", diff.repeated_ids);
  if (diff.bad_lines > 0) text += fmt::format("Bad       {} lines are no record\n", diff.bad_lines);
  for (const data::RecordChange& change : diff.examples) {
    text += fmt::format("\n{} {}\n", change.kind, one_line(change.id, kShownBytesMax));
    if (!change.before.empty()) text += fmt::format("  - {}\n", one_line(change.before, kShownBytesMax));
    if (!change.after.empty()) text += fmt::format("  + {}\n", one_line(change.after, kShownBytesMax));
  }
  return text;
}

struct SampleFlags {
  std::vector<std::string> inputs;
  size_t count = 10;
  uint64_t seed = 0;
};

int print_sample(const SampleFlags& flags) {
  data::Reservoir<std::string> reservoir(flags.count, flags.seed);
  data::scan_lines(data::find_input_files(flags.inputs), [&](const data::ScannedLine& line) {
    reservoir.offer([&] { return std::string(line.text); });
    return true;
  });
  for (const std::string& line : reservoir.take()) print_text(line + "\n");
  return 0;
}

}  // namespace

std::function<int()> add_data_stats(CLI::App& app) {
  const auto flags = std::make_shared<StatsFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("--against", flags->against, "Another version, to stand beside it")->type_name("INPUT");
  app.add_option("--html", flags->html_path, "Also write a page")->type_name("FILE");
  app.add_option("--by", flags->coverage_by,
                 "The field whose values are the rows of the coverage map (else what questions begin with)")
      ->type_name("FIELD");
  app.add_option("--duplicates", flags->duplicates_shown, "How many groups of equal records to show")
      ->capture_default_str();
  app.add_option("--samples", flags->samples_shown,
                 "Of a run's output: how many records the page and JSON show for each step and reason")
      ->capture_default_str();
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kStatsNotes);
  return [flags] { return show_stats(*flags); };
}

std::function<int()> add_data_diff(CLI::App& app) {
  const auto flags = std::make_shared<DiffFlags>();
  app.add_option("before", flags->before, "A file, folder or glob")->required()->type_name("BEFORE");
  app.add_option("after", flags->after, "Another")->required()->type_name("AFTER");
  app.add_option("--show", flags->shown_max, "How many records of each kind to show")->capture_default_str();
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kDiffNotes);
  return [flags] {
    const std::vector<data::InputFile> before = data::find_input_files({flags->before});
    const std::vector<data::InputFile> after = data::find_input_files({flags->after});
    const data::DatasetDiff diff = data::diff_datasets(before, after, flags->shown_max);
    if (flags->as_json) {
      print_json(to_json(diff));
    } else {
      print_text(to_text(diff));
    }
    return 0;
  };
}

std::function<int()> add_data_sample(CLI::App& app) {
  const auto flags = std::make_shared<SampleFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("-n,--count", flags->count, "How many")->check(CLI::Range(1, 1 << 30))->capture_default_str();
  app.add_option("--seed", flags->seed, "Another seed, another sample")->capture_default_str();
  app.footer(kSampleNotes);
  return [flags] { return print_sample(*flags); };
}

}  // namespace pelton::cli
