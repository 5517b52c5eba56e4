// Records that mean the same: pairs by the cosine of their vectors, looked for within clusters of k-means, as SemDeDup
// does (Abbas et al. 2023, arXiv 2303.09540), and beyond: a record also meets the members of the clusters whose centres
// are the next to its own, so that few pairs are lost where two clusters touch (the multiple probes of an inverted
// file: Jégou, Douze, Schmid 2011). Of few records, all meet all, and nothing is lost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/duplicate_forest.h"
#include "data/embedding_table.h"

namespace pelton::data {

struct SemanticDuplicateOptions {
  double similarity_min = 0.95;  // cosine
  // 0: one for each kRecordsPerCluster records, where there are more than kRecordsAllWithAll.
  size_t cluster_count = 0;
  size_t probe_count = 4;  // clusters that a record meets, its own included
  uint64_t seed = 1;

  static constexpr size_t kRecordsAllWithAll = 20000;
  static constexpr size_t kRecordsPerCluster = 2000;
};

struct SemanticDuplicateSearch {
  std::function<uint64_t(uint32_t record)> rank_of;  // of duplicates the highest stays. Any thread
  std::filesystem::path scratch_folder;              // where sorting goes that does not fit
  size_t memory_bytes_max = size_t{256} << 20;       // for sorting and for learning the clusters
};

// As DuplicateForest gives them; a record without text is nobody's duplicate. The same for any number of threads.
std::vector<NearDuplicate> find_semantic_duplicates(const EmbeddingTable& table,
                                                    const SemanticDuplicateOptions& options,
                                                    const SemanticDuplicateSearch& search, Executor& executor);

}  // namespace pelton::data
