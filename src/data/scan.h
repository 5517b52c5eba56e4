// Reads files of records one after another, on one thread: for looking at data, not for running recipes.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "data/block_reader.h"
#include "data/record.h"

namespace pelton::data {

struct ScannedLine {
  const InputFile& file;
  uint64_t number;        // from 1
  std::string_view text;  // 64 bytes behind it may be read
};

// Calls visit(line) for each line that is not blank, until it says false, and on_problem where a file is damaged or a
// line too long. Errors: kNotFound, kIo.
void scan_lines(std::span<const InputFile> files, const std::function<bool(const ScannedLine&)>& visit,
                const std::function<void(const InputFile&, const BadLine&)>& on_problem = {});

struct ScannedRecord {
  const Record& record;
  Arena& arena;  // until the next one
};

// The same for records; lines that are none go to on_problem.
void scan_records(std::span<const InputFile> files, std::optional<Format> format,
                  const std::function<bool(const ScannedRecord&)>& visit,
                  const std::function<void(const InputFile&, const BadLine&)>& on_problem = {});

}  // namespace pelton::data
