// Files of records, of every kind that `pelton data` reads (data/input_files.h): a JSON object a line, or a row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "train/record.h"

namespace pelton {

// What becomes of a record that cannot be used.
enum class BadRecord : uint8_t { kStop, kSkip };

struct RecordCounts {
  std::map<RecordForm, int64_t> by_form;  // of those that were taken
  int64_t skipped = 0;
  std::string first_skipped;  // "FILE:LINE: reason"; empty: none

  int64_t taken() const;
};

// Calls take(record) for each line that is not empty, of files, folders and globs; what that throws as
// kInvalidArgument counts as the record's fault, too. A block of lines is in memory at a time. Errors: kNotFound, kIo,
// kUnsupported (an ending that is not known); kInvalidArgument ("FILE:LINE: reason": a bad record, where they stop; a
// line of more than 256 MB; a file that is damaged from there on).
RecordCounts read_records(const std::vector<std::filesystem::path>& files, BadRecord bad,
                          const std::function<void(Record record)>& take);

}  // namespace pelton
