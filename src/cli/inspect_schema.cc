#include "cli/inspect_schema.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/grammar_options.h"
#include "cli/json_lines.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "text/grammar_check.h"
#include "text/schema_support.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Keyword by keyword: enforced (an answer cannot break it), annotation (tells readers something), ignored (no "
    "keyword of\n"
    "JSON Schema), refused (it constrains and cannot be enforced: a request with this schema is an error). The exit "
    "code is 1\n"
    "where the schema cannot be used. --accepts says of each line of a file of JSON Lines whether an answer could be "
    "that,\n"
    "written exactly so.\n"
    "\n"
    "Examples:\n"
    "  pelton inspect schema person.schema.json\n"
    "  pelton inspect schema '{\"type\": \"array\", \"uniqueItems\": true}' --json\n"
    "  pelton inspect schema person.schema.json --accepts people.jsonl\n";

constexpr size_t kPathBytesMax = 200;

struct SchemaOptions {
  std::string schema;
  std::optional<std::string> instances;
  bool as_json = false;
};

struct SchemaReport {
  std::vector<SchemaKeyword> keywords;
  std::optional<std::string> problem;  // why it cannot be used
  std::optional<GrammarCheck> check;   // none where there is a problem
};

SchemaReport report_on(const std::string& text) {
  SchemaReport report;
  try {
    report.keywords = inspect_schema(parse_json(text, "the JSON schema"));
    report.check.emplace(GrammarSource{GrammarKind::kJsonSchema, text});
  } catch (const Error& error) {
    report.problem = error.message();
  }
  return report;
}

void print_report(const SchemaReport& report, bool as_json) {
  if (as_json) {
    json::array keywords;
    for (const SchemaKeyword& keyword : report.keywords) {
      keywords.push_back(
          {{"path", keyword.path}, {"support", keyword_support_name(keyword.support)}, {"note", keyword.note}});
    }
    json::object object = {{"usable", !report.problem}, {"problem", nullptr}};
    object["keywords"] = std::move(keywords);
    if (report.problem) object["problem"] = *report.problem;
    return print_json(object);
  }
  for (const SchemaKeyword& keyword : report.keywords) {
    print_text(fmt::format("{:<10} {}{}{}\n", keyword_support_name(keyword.support),
                           one_line(keyword.path, kPathBytesMax), keyword.note.empty() ? "" : "   ", keyword.note));
  }
  print_text(report.problem ? fmt::format("\nCannot be used: {}\n", *report.problem)
                            : std::string("\nCan be used: what is not refused holds.\n"));
}

int inspect(const SchemaOptions& options) {
  const SchemaReport report = report_on(read_schema(options.schema));
  if (!options.instances || report.problem) {
    print_report(report, options.as_json);
    return report.problem ? 1 : 0;
  }
  bool accepts_all = true;
  for_each_line(*options.instances, [&](const std::string& line) {
    const bool accepts = report.check->accepts(line);
    accepts_all &= accepts;
    if (options.as_json) {
      print_json(json::object{{"accepted", accepts}});
    } else {
      print_text(accepts ? "accepted\n" : "not accepted\n");
    }
  });
  return accepts_all ? 0 : 1;
}

}  // namespace

std::function<bool(int& exit_code)> add_inspect_schema(CLI::App& app) {
  const auto options = std::make_shared<SchemaOptions>();
  CLI::App* command = app.add_subcommand("schema", "What of a JSON schema an answer is held to");
  command->add_option("schema", options->schema, "Its text, or a file")->required()->type_name("FILE|TEXT");
  command->add_option("--accepts", options->instances, "Which lines could be an answer; - is standard input")
      ->type_name("FILE");
  command->add_flag("--json", options->as_json, "Print JSON");
  command->footer(kNotes);
  return [options, command](int& exit_code) {
    if (!command->parsed()) return false;
    exit_code = inspect(*options);
    return true;
  };
}

}  // namespace pelton::cli
