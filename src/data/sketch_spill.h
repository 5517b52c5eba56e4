// Sketches of records in the spill files of a step: rows in the files' order are those of SketchColumns.
#pragma once

#include <span>

#include "data/keep_rule.h"
#include "data/near_duplicates.h"
#include "data/step.h"

namespace pelton::data {

// The options that all steps by near duplicates share: ngram, buckets, hashes_per_bucket, verify, words, seed.
NearDuplicateOptions near_duplicate_options(StepOptions& options);

class SketchSpill {
 public:
  explicit SketchSpill(const NearDuplicateOptions& options) : options_(options), sketcher_(options) {}

  // Heads, n-grams, and a column for each key.
  size_t file_count() const { return 2 + static_cast<size_t>(options_.keys_per_record()); }
  void append(const Record& record, uint64_t rank, Arena& arena, std::span<SpillBuffer> spills) const;
  // Of the first file_count() files.
  NearDuplicates find(const ObservedStream& stream) const { return find(columns(stream), stream); }
  SketchColumns columns(const ObservedStream& stream) const;
  // The same among these.
  NearDuplicates find(const SketchColumns& sketches, const ObservedStream& stream) const;

 private:
  NearDuplicateOptions options_;
  Sketcher sketcher_;
};

}  // namespace pelton::data
