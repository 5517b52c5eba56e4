// `pelton data view`: records as people read them.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cli/data_commands.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "data/record_filter.h"
#include "data/scan.h"

namespace pelton::cli {
namespace {

constexpr const char* kViewNotes =
    "On a terminal the records go through $PAGER (less): it scrolls, and / searches. Conditions are NAME OP VALUE, "
    "with = != < "
    "<= >\n"
    ">= or ~ (holds, in any case) for OP, and a field, id, text, format, line, license, url, split, words, bytes or "
    "turns for "
    "NAME.\n"
    "\n"
    "Examples:\n"
    "  pelton data view clean.jsonl\n"
    "  pelton data view clean.jsonl --where 'words < 20' --where 'text ~ sorry'\n"
    "  pelton data view raw/ --where 'license = unknown' --lines > some.jsonl\n";

struct ViewFlags {
  std::vector<std::string> inputs;
  std::vector<std::string> conditions;
  uint64_t count_max = 0;  // 0: all
  bool as_lines = false;
};

// Text of a stranger's, safe on a terminal: no control characters but line breaks and tabs.
std::string shown(std::string_view text) {
  std::string safe;
  for (const char byte : text) {
    const bool is_control = (static_cast<unsigned char>(byte) < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    safe += is_control ? '?' : byte;
  }
  return safe;
}

// Where records are printed: to the pager on a terminal.
class Pages {
 public:
  Pages() {
    if (!stdout_is_terminal()) return;
    const char* pager = std::getenv("PAGER");
    pipe_ = ::popen(pager == nullptr || *pager == '\0' ? "less -R" : pager, "w");
  }
  ~Pages() {
    if (pipe_ != nullptr) ::pclose(pipe_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  // False: nobody reads on.
  bool print(const std::string& text) {
    if (pipe_ != nullptr) return std::fwrite(text.data(), 1, text.size(), pipe_) == text.size();
    print_text(text);
    return true;
  }

 private:
  std::FILE* pipe_ = nullptr;
};

void append_turns(std::string_view title, std::span<const data::Message> turns, std::string& text) {
  if (!title.empty()) text += fmt::format("── {} ──\n", title);
  for (const data::Message& message : turns) {
    text +=
        fmt::format("[{}{}{}]\n", data::role_name(message.role), message.name.empty() ? "" : " ", shown(message.name));
    if (!message.reasoning.empty()) text += fmt::format("(thinks) {}\n", shown(message.reasoning));
    if (!message.content.empty()) text += shown(message.content) + "\n";
    for (const data::ToolCall& call : message.tool_calls) {
      text += fmt::format("→ {}({}) {}\n", shown(call.name), shown(call.arguments), shown(call.id));
    }
  }
}

std::string to_text(const data::Record& record) {
  std::string text = fmt::format("━━━ {}  {}:{}  {}\n", shown(record.id), shown(record.source->path),
                                 record.line_number, data::format_name(record.format));
  for (const data::Field& field : record.fields) {
    text += fmt::format("{}: ", shown(field.key));
    if (const auto* value = std::get_if<std::string_view>(&field.value)) {
      text += one_line(*value, 200);
    } else if (const auto* number = std::get_if<double>(&field.value)) {
      text += fmt::format("{}", *number);
    } else if (const auto* flag = std::get_if<bool>(&field.value)) {
      text += *flag ? "true" : "false";
    }
    text += '\n';
  }
  if (record.kind == data::RecordKind::kText) return text + shown(record.text) + "\n\n";
  append_turns("", record.messages, text);
  if (record.kind == data::RecordKind::kPreference) {
    append_turns("chosen", record.chosen, text);
    append_turns("rejected", record.rejected, text);
  }
  return text + "\n";
}

int view(const ViewFlags& flags) {
  const data::RecordFilter filter(flags.conditions);
  const std::vector<data::InputFile> files = data::find_input_files(flags.inputs);
  Pages pages;
  uint64_t count = 0;
  data::scan_records(
      files, std::nullopt,
      [&](const data::ScannedRecord& scanned) {
        if (!filter.matches(scanned.record, scanned.arena)) return true;
        if (!pages.print(flags.as_lines ? std::string(scanned.record.line) + "\n" : to_text(scanned.record)))
          return false;
        return ++count != flags.count_max;
      },
      [&](const data::InputFile& file, const data::BadLine& line) {
        if (!flags.as_lines)
          pages.print(fmt::format("━━━ {}:{} {}\n\n", shown(file.source.path), line.number, shown(line.reason)));
      });
  return 0;
}

}  // namespace

std::function<int()> add_data_view(CLI::App& app) {
  const auto flags = std::make_shared<ViewFlags>();
  app.add_option("input", flags->inputs, "Files, folders or globs")->required()->type_name("INPUT");
  app.add_option("--where", flags->conditions, "Only records for which this holds; several: for which all hold")
      ->type_name("CONDITION")
      ->allow_extra_args(false);
  app.add_option("-n,--count", flags->count_max, "So many at most (0: all)")->capture_default_str();
  app.add_flag("--lines", flags->as_lines, "Print their lines as they are");
  app.footer(kViewNotes);
  return [flags] { return view(*flags); };
}

}  // namespace pelton::cli
