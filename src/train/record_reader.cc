#include "train/record_reader.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "base/error.h"

namespace pelton {
namespace {

constexpr size_t kLineBytesMax = size_t{64} << 20;

void read_file_of_records(const std::filesystem::path& path, BadRecord bad,
                          const std::function<void(Record record)>& take, RecordCounts& counts) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::kNotFound, fmt::format("cannot open the data {}", path.string()));
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      if (line.size() > kLineBytesMax) throw Error(ErrorCode::kInvalidArgument, "the line has more than 64 MB");
      Record record = parse_record(parse_json(line, "the line"));
      record.file = path.string();
      record.line = number;
      const RecordForm form = record.form;
      take(std::move(record));
      ++counts.by_form[form];
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      const std::string message = fmt::format("{}:{}: {}", path.string(), number, error.message());
      if (bad == BadRecord::kStop) throw Error(ErrorCode::kInvalidArgument, message);
      if (counts.skipped++ == 0) counts.first_skipped = message;
    }
  }
  if (file.bad()) throw Error(ErrorCode::kIo, fmt::format("reading {} failed", path.string()));
}

}  // namespace

int64_t RecordCounts::taken() const {
  int64_t count = 0;
  for (const auto& [form, of_form] : by_form) count += of_form;
  return count;
}

RecordCounts read_records(const std::vector<std::filesystem::path>& files, BadRecord bad,
                          const std::function<void(Record record)>& take) {
  RecordCounts counts;
  for (const std::filesystem::path& file : files) read_file_of_records(file, bad, take, counts);
  return counts;
}

}  // namespace pelton
