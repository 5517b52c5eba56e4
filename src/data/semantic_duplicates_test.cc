#include "data/semantic_duplicates.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/test_folder.h"
#include "data/random_embeddings.h"

namespace pelton::data {
namespace {

constexpr uint64_t kSeed = 11;

// Bundles so tight that their members are around the threshold, records without text, exact copies.
RandomEmbeddings some_vectors() {
  RandomEmbeddings vectors(kSeed, 16, 150, 6, 0.28);
  for (uint32_t i = 0; i < 40; ++i) vectors.add_copy(i * 7);
  for (int i = 0; i < 3; ++i) vectors.add_nothing();
  return vectors;
}

uint64_t rank_of(uint32_t record) { return record * 2654435761u % 97; }

std::vector<NearDuplicate> find(const EmbeddingTable& table, const SemanticDuplicateOptions& options, int threads = 2,
                                size_t memory_bytes_max = size_t{1} << 20) {
  const TestFolder folder;
  Executor executor(threads);
  return find_semantic_duplicates(table, options, {rank_of, folder.path(), memory_bytes_max}, executor);
}

// All pairs, one by one.
std::vector<uint32_t> dropped_by_brute_force(const EmbeddingTable& table, double similarity_min) {
  DisjointSets sets(table.row_count());
  for (uint32_t a = 0; a < table.row_count(); ++a) {
    for (uint32_t b = 0; b < a; ++b) {
      if (cosine_similarity(table.row(a), table.row(b)) >= similarity_min) sets.join(a, b);
    }
  }
  std::map<uint32_t, uint32_t> kept;  // of each root
  for (uint32_t record = 0; record < table.row_count(); ++record) {
    const auto [place, is_new] = kept.try_emplace(sets.root_of(record), record);
    if (!is_new && rank_of(record) > rank_of(place->second)) place->second = record;
  }
  std::vector<uint32_t> dropped;
  for (uint32_t record = 0; record < table.row_count(); ++record) {
    if (kept.at(sets.root_of(record)) != record) dropped.push_back(record);
  }
  return dropped;
}

std::vector<uint32_t> records_of(const std::vector<NearDuplicate>& duplicates) {
  std::vector<uint32_t> records;
  for (const NearDuplicate& duplicate : duplicates) records.push_back(duplicate.record);
  return records;
}

TEST(SemanticDuplicates, AreThoseOfAllPairs) {
  const RandomEmbeddings vectors = some_vectors();
  const EmbeddingTable table = vectors.table();
  for (const double similarity : {0.9, 0.95, 0.97}) {
    const std::vector<uint32_t> expected = dropped_by_brute_force(table, similarity);
    ASSERT_GE(expected.size(), 40u) << "a test that cannot fail";
    ASSERT_LT(expected.size(), 800u);
    const std::vector<NearDuplicate> found = find(table, {.similarity_min = similarity});
    EXPECT_EQ(records_of(found), expected) << similarity;
    for (const NearDuplicate& duplicate : found) {
      EXPECT_NE(duplicate.record, duplicate.duplicate_of);
      EXPECT_GE(duplicate.similarity, similarity - 1e-6);
      EXPECT_NEAR(duplicate.similarity,
                  cosine_similarity(table.row(duplicate.record), table.row(duplicate.duplicate_of)), 1e-6);
    }
  }
}

TEST(SemanticDuplicates, InClustersTooIfAllAreMetAndNearlyElse) {
  const RandomEmbeddings vectors = some_vectors();
  const EmbeddingTable table = vectors.table();
  const std::vector<uint32_t> expected = dropped_by_brute_force(table, 0.95);
  EXPECT_EQ(records_of(find(table, {.similarity_min = 0.95, .cluster_count = 12, .probe_count = 12})), expected);
  // Memory for 1024 rows at a time: sorting goes to disk.
  EXPECT_EQ(records_of(find(table, {.similarity_min = 0.95, .cluster_count = 12, .probe_count = 12}, 2, 4096)),
            expected);
  const size_t probed = find(table, {.similarity_min = 0.95, .cluster_count = 12, .probe_count = 3}).size();
  const size_t alone = find(table, {.similarity_min = 0.95, .cluster_count = 12, .probe_count = 1}).size();
  EXPECT_LE(alone, probed);
  EXPECT_LE(probed, expected.size());
  EXPECT_GT(static_cast<double>(probed), 0.98 * static_cast<double>(expected.size()));
}

TEST(SemanticDuplicates, TheSameForAnyNumberOfThreads) {
  const RandomEmbeddings vectors = some_vectors();
  for (const size_t clusters : {0, 9}) {
    const SemanticDuplicateOptions options{.similarity_min = 0.94, .cluster_count = clusters, .probe_count = 2};
    const std::vector<NearDuplicate> one = find(vectors.table(), options, 1);
    const std::vector<NearDuplicate> many = find(vectors.table(), options, 4);
    ASSERT_EQ(one.size(), many.size());
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(one[i].record, many[i].record);
      EXPECT_EQ(one[i].duplicate_of, many[i].duplicate_of);
      EXPECT_EQ(one[i].similarity, many[i].similarity);
    }
  }
}

TEST(SemanticDuplicates, AChainNamesTheNeighbourWhereTheKeptOneIsFar) {
  RandomEmbeddings vectors;
  for (const double degrees : {0, 15, 30, 100}) vectors.add_at(degrees);  // cos 15° = 0.966, cos 30° = 0.866
  const TestFolder folder;
  Executor executor(1);
  const auto first = [](uint32_t) { return uint64_t{0}; };
  const auto found =
      find_semantic_duplicates(vectors.table(), {.similarity_min = 0.95}, {first, folder.path()}, executor);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].record, 1u);
  EXPECT_EQ(found[0].duplicate_of, 0u);
  EXPECT_EQ(found[1].record, 2u);
  EXPECT_EQ(found[1].duplicate_of, 1u);
  EXPECT_NEAR(found[1].similarity, std::cos(15 * M_PI / 180), 1e-6);
}

TEST(SemanticDuplicates, NothingOfNothing) {
  RandomEmbeddings vectors;
  EXPECT_TRUE(find({{}, 2}, {}).empty());
  vectors.add_at(0);
  vectors.add_nothing();
  vectors.add_nothing();
  EXPECT_TRUE(find(vectors.table(), {.similarity_min = 0}).empty()) << "records without text are nobody's duplicates";
}

}  // namespace
}  // namespace pelton::data
