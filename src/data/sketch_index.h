// Sketches of records that earlier runs kept, in a folder: a step by near duplicates compares new records with them.
//
// One folder inside for each run that added some, named by a hash of what that run had seen: a run that is done again
// (after a kill, or because somebody wants it) does not meet its own records, and puts the same folder there.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/near_duplicates.h"
#include "data/spill.h"

namespace pelton::data {

// Columns of records with their ids, as spill files or an index hold them.
struct SketchTable {
  SketchColumns columns;
  std::string_view ids;  // of one record after the other
  std::span<const uint64_t> id_ends;

  std::string_view id(size_t record) const {
    const uint64_t begin = record == 0 ? 0 : id_ends[record - 1];
    return ids.substr(begin, id_ends[record] - begin);
  }
};

class SketchIndex {
 public:
  // Opens all that is there but what a run that saw `records` had added. Errors: kInvalidArgument: made with other
  // options; kCorruptFile; kIo. A folder that is not there is empty.
  SketchIndex(std::filesystem::path folder, const NearDuplicateOptions& options, const SketchTable& records);

  uint64_t record_count() const { return record_count_; }
  std::string_view id(uint64_t record) const;
  // The index's records, which stay before any other, then `records`; in files of `scratch_folder`, which must outlive
  // the result. Error kIo.
  SketchColumns joined(const SketchTable& records, const std::filesystem::path& scratch_folder);
  // Adds those of `records` that are kept; whole or not at all. Error kIo.
  void add(const SketchTable& records, const std::vector<bool>& is_kept) const;

 private:
  struct Segment {
    std::vector<SpillFile> files;
    SketchTable table;
  };

  std::filesystem::path folder_;
  NearDuplicateOptions options_;
  std::string own_name_;
  std::deque<Segment> segments_;
  uint64_t record_count_ = 0;
  std::vector<SpillFile> joined_;
};

}  // namespace pelton::data
