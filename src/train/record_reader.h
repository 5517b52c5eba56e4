// Files of records, one JSON object a line.
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

// Calls take(record) for each line that is not empty; what that throws as kInvalidArgument counts as the record's
// fault, too. One line is in memory at a time. Errors: kNotFound, kIo; kInvalidArgument ("FILE:LINE: reason": a bad
// record, where they stop; a line of more than 64 MB).
RecordCounts read_records(const std::vector<std::filesystem::path>& files, BadRecord bad,
                          const std::function<void(Record record)>& take);

}  // namespace pelton
