// Spherical k-means: vectors of length 1 fall into clusters by the angle to their centres (Dhillon, Modha 2001), which
// begin far from each other (k-means++: Arthur, Vassilvitskii 2007). Deterministic: a seed, and no threads' order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/embedding_table.h"
#include "ops/executor.h"

namespace pelton::data {

struct KMeansOptions {
  size_t cluster_count = 8;
  int iterations_max = 25;
  // Centres are sought from so many beginnings; those count whose records are the nearest to them, all in all.
  int start_count = 5;
  // Centres are learnt from a sample of so many records at most, which is held in memory; as many for each cluster as
  // faiss takes (max_points_per_centroid).
  size_t sample_per_cluster = 256;
  size_t sample_bytes_max = size_t{256} << 20;
  uint64_t seed = 1;
};

// Centres [clusters][width] of length 1; fewer clusters where so many records differ not (by more than 2·10⁻⁶ in their
// cosine). `records` have vectors, at least one.
std::vector<float> find_centers(const EmbeddingTable& table, std::span<const uint32_t> records,
                                const KMeansOptions& options, Executor& executor);

struct NearCenter {
  uint32_t center;
  float similarity;
};

// Calls `visit(place in records, nearest)` for each record in order, with its `count` nearest centres (all, where there
// are fewer), the nearest first; of equally near ones the first.
void for_each_nearest(const EmbeddingTable& table, std::span<const uint32_t> records, std::span<const float> centers,
                      size_t count, Executor& executor,
                      FunctionRef<void(size_t place, std::span<const NearCenter> nearest)> visit);

}  // namespace pelton::data
