#include "data/scan.h"

#include <algorithm>

#include "data/record_parser.h"

namespace pelton::data {

void scan_lines(std::span<const InputFile> files, const std::function<bool(const ScannedLine&)>& visit,
                const std::function<void(const InputFile&, const BadLine&)>& on_problem) {
  BlockReader reader(files);
  Block block;
  while (reader.next(block)) {
    std::string_view rest = block.lines();
    for (uint64_t number = block.first_line; !rest.empty(); ++number) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (!visit({*block.file, number, line})) return;
    }
    if (block.problem && on_problem) on_problem(*block.file, *block.problem);
  }
}

void scan_records(std::span<const InputFile> files, std::optional<Format> format,
                  const std::function<bool(const ScannedRecord&)>& visit,
                  const std::function<void(const InputFile&, const BadLine&)>& on_problem) {
  RecordParser parser(format);
  Arena arena;
  const auto parse_and_visit = [&](const ScannedLine& line) {
    arena.reset();
    Record record;
    if (Problem problem = parser.parse(line.text, line.file.source, line.number, record, arena)) {
      if (on_problem) on_problem(line.file, {line.number, *std::move(problem)});
      return true;
    }
    return visit({record, arena});
  };
  scan_lines(files, parse_and_visit, on_problem);
}

}  // namespace pelton::data
