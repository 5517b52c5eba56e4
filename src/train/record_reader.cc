#include "train/record_reader.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/error.h"
#include "data/scan.h"

namespace pelton {
int64_t RecordCounts::taken() const {
  int64_t count = 0;
  for (const auto& [form, of_form] : by_form) count += of_form;
  return count;
}

RecordCounts read_records(const std::vector<std::filesystem::path>& files, BadRecord bad,
                          const std::function<void(Record record)>& take) {
  RecordCounts counts;
  const auto note_bad = [&](const data::InputFile& file, uint64_t line, std::string_view reason) {
    const std::string message = fmt::format("{}:{}: {}", file.source.path, line, reason);
    if (bad == BadRecord::kStop) throw Error(ErrorCode::kInvalidArgument, message);
    if (counts.skipped++ == 0) counts.first_skipped = message;
  };
  const auto take_line = [&](const data::ScannedLine& line) {
    try {
      Record record = parse_record(parse_json(line.text, "the line"));
      record.file = line.file.source.path;
      record.line = static_cast<int64_t>(line.number);
      const RecordForm form = record.form;
      take(std::move(record));
      ++counts.by_form[form];
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      note_bad(line.file, line.number, error.message());
    }
    return true;
  };
  std::vector<std::string> patterns;
  for (const std::filesystem::path& file : files) patterns.push_back(file.string());
  data::scan_lines(
      data::find_input_files(patterns), take_line,
      [&](const data::InputFile& file, const data::BadLine& line) { note_bad(file, line.number, line.reason); });
  return counts;
}

}  // namespace pelton
