// Near duplicates by MinHash and locality-sensitive hashing (Broder 1997; Indyk, Motwani 1998), as FineWeb uses them,
// with the candidates verified by their true similarity.
//
// A record gets a signature of buckets × hashes_per_bucket minimum hashes of its word n-grams. Records that agree in
// all hashes of a bucket are candidates: of similarity s, a pair is one with the probability 1 - (1 -
// s^hashes)^buckets. With verification, false candidates cost time and nothing else, so the same hashes are put into
// buckets a second way, across the first: 28 chances where there were 14, and 0.994 in place of 0.924 at s = 0.8,
// without one hash more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "data/comparable_words.h"
#include "data/duplicate_forest.h"
#include "data/min_hash.h"
#include "ops/executor.h"

namespace pelton::data {

struct NearDuplicateOptions {
  WordNormalization normalization = WordNormalization::kWords;
  int ngram = 5;
  int buckets = 14;
  int hashes_per_bucket = 8;
  // The least Jaccard similarity of the sets of n-grams that makes two records duplicates; 0: whoever shares a bucket
  // is one.
  double similarity_min = 0.8;
  uint64_t seed = 1;

  int keys_per_record() const { return similarity_min > 0 ? 2 * buckets : buckets; }
};

// What is remembered of a record.
struct Sketch {
  std::vector<uint64_t> keys;      // one a bucket: records of one key are candidates
  std::vector<uint32_t> shingles;  // hashes of its word n-grams in their order; empty: no words, no duplicate of any
};

// Immutable, any thread.
class Sketcher {
 public:
  explicit Sketcher(const NearDuplicateOptions& options);

  // Replaces what `sketch` holds.
  void sketch(std::string_view text, Sketch& sketch) const;

 private:
  NearDuplicateOptions options_;
  MinHash min_hash_;
};

// The sketches of all records, as columns; mapped files may lie behind them.
struct SketchColumns {
  struct Head {
    uint64_t rank;  // of duplicates the one of the highest rank stays; of those, the first
    uint64_t shingle_count;
  };
  std::span<const Head> heads;
  std::vector<std::span<const uint64_t>> keys;  // [keys_per_record()], of each record
  std::span<const uint32_t> shingles;           // of one record after the other
};

struct NearDuplicates {
  std::vector<NearDuplicate> dropped;  // as DuplicateForest gives them; similarity: of the sets of n-grams
  uint64_t pairs_verified = 0;
  // The most that was held at once beside the columns: sorting included, while it fits into memory.
  uint64_t memory_bytes_max = 0;
};

struct NearDuplicateSearch {
  std::filesystem::path scratch_folder;  // where sorting goes that does not fit
  size_t sort_memory_bytes_max = size_t{256} << 20;
};

// The same for any number of threads. Error kUnsupported: 2^32 records or more.
NearDuplicates find_near_duplicates(const SketchColumns& sketches, const NearDuplicateOptions& options,
                                    const NearDuplicateSearch& search, Executor& executor);

}  // namespace pelton::data
