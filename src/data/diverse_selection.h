// A few records that stand for all of them, by their vectors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/embedding_table.h"

namespace pelton::data {

// Greedy k-centre (Gonzalez 1985; as a core set: Sener, Savarese 2018, arXiv 1708.00489): the record nearest to the
// mean of all, then again and again the one that is the farthest from those chosen. The largest distance of a record to
// its nearest chosen one is at most twice the smallest that `count` records could leave. A record is compared with the
// chosen ones only as long as it may be the farthest: of records × count comparisons, a sixth where they lie in
// bundles, three fifths where they lie in wide ones of 384 dimensions (measured). `count` of `records`, in the order in
// which they were chosen; of equally far ones the first.
std::vector<uint32_t> choose_centers(const EmbeddingTable& table, std::span<const uint32_t> records, size_t count,
                                     Executor& executor);

struct FacilityOptions {
  // The sum is taken over so many records, drawn by the seed, where there are more: time and memory go by their number.
  size_t customer_count_max = 16384;
  uint64_t seed = 1;
};

// Greedy facility location (Nemhauser, Wolsey, Fisher 1978; lazily: Minoux 1978; for training data: Wei, Iyer, Bilmes
// 2015): each next record adds the most to the sum of all records' similarity to their nearest chosen one (below zero:
// zero). At least 1 - 1/e of the largest sum. Typical records come first, where k-centre takes the odd ones.
std::vector<uint32_t> choose_facilities(const EmbeddingTable& table, std::span<const uint32_t> records, size_t count,
                                        const FacilityOptions& options, Executor& executor);

struct Representative {
  uint32_t record;  // of the chosen ones
  double similarity;
};

// Of each of `records` the nearest of `chosen`, of equally near ones the first.
std::vector<Representative> representatives(const EmbeddingTable& table, std::span<const uint32_t> records,
                                            std::span<const uint32_t> chosen, Executor& executor);

}  // namespace pelton::data
