// What changed between two versions of a data set, record by record.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/input_files.h"

namespace pelton::data {

struct RecordChange {
  std::string kind;  // "added", "removed", "content", "fields"
  std::string id;
  std::string before;  // the record's line; empty where it was added
  std::string after;   // empty where it was removed
};

struct DatasetDiff {
  uint64_t records_before = 0;
  uint64_t records_after = 0;
  uint64_t same = 0;     // byte for byte
  uint64_t content = 0;  // says something else
  uint64_t fields = 0;   // says the same, in another format or with other fields
  uint64_t added = 0;
  uint64_t removed = 0;
  uint64_t repeated_ids = 0;           // in either; of these the first counts
  uint64_t bad_lines = 0;              // in either
  std::vector<RecordChange> examples;  // the first of each kind, by `after`, then those removed
};

// Records are the same by their id, or by what they say where they have none. Holds 48 bytes for each record of
// `before`. Errors: kNotFound, kIo.
DatasetDiff diff_datasets(std::span<const InputFile> before, std::span<const InputFile> after,
                          size_t examples_of_each_max);

}  // namespace pelton::data
