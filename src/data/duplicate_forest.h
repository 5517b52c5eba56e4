// Pairs of near duplicates as a forest over all records: whoever a chain of pairs connects is a cluster, of which one
// record stays.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/disjoint_sets.h"
#include "ops/executor.h"

namespace pelton::data {

struct NearDuplicate {
  uint32_t record;
  uint32_t duplicate_of;
  double similarity;  // the true one
};

// What drop_all_but_one() asks about records. Called on several threads at once.
struct DuplicateJudge {
  // Of a cluster the record of the highest rank stays; of those, the first.
  std::function<uint64_t(uint32_t record)> rank_of;
  // The similarity of other records to this one.
  std::function<std::function<double(uint32_t record)>(uint32_t kept)> similarity_to;
  double similarity_min = 0;
};

// Not thread-safe, but for root_of between joins.
class DuplicateForest {
 public:
  explicit DuplicateForest(uint32_t record_count) : sets_(record_count) {}

  // Records of one root are connected.
  uint32_t root_of(uint32_t record) const { return sets_.root_of(record); }
  // Of records that are connected already nothing is kept.
  void join(uint32_t a, uint32_t b, double similarity) {
    if (sets_.join(a, b)) edges_.push_back({a, b, static_cast<float>(similarity)});
  }
  // Makes each root_of one step.
  void flatten() { sets_.flatten(); }

  // Ascending by record. Each one that is dropped names the one of its cluster that stays, where they are similar
  // enough themselves, else its neighbour in the chain that leads there. The same for any number of threads.
  std::vector<NearDuplicate> drop_all_but_one(const DuplicateJudge& judge, Executor& executor);

  // Beside the sets: what is held for the pairs.
  size_t edge_bytes() const { return edges_.capacity() * sizeof(Edge); }

 private:
  struct Edge {
    uint32_t a;
    uint32_t b;
    float similarity;
  };

  void sort_edges_by_cluster();
  static std::vector<NearDuplicate> drop_in_cluster(std::span<const Edge> edges, const DuplicateJudge& judge);

  DisjointSets sets_;
  std::vector<Edge> edges_;
};

}  // namespace pelton::data
