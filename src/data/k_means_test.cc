#include "data/k_means.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/random_embeddings.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;

constexpr uint64_t kSeed = 5;

struct Clustering {
  std::vector<float> centers;
  std::vector<NearCenter> nearest;
};

Clustering cluster(const EmbeddingTable& table, const KMeansOptions& options, int threads = 2) {
  Executor executor(threads);
  const std::vector<uint32_t> records = records_with_text(table);
  Clustering clustering{find_centers(table, records, options, executor), {}};
  for_each_nearest(table, records, clustering.centers, 1, executor,
                   [&](size_t place, std::span<const NearCenter> nearest) {
                     EXPECT_EQ(place, clustering.nearest.size());
                     clustering.nearest.push_back(nearest[0]);
                   });
  return clustering;
}

TEST(KMeans, ThreeBundlesOnACircle) {
  RandomEmbeddings vectors;
  for (const double degrees : {0, 10, 20, 118, 120, 122, 235, 245}) vectors.add_at(degrees);
  vectors.add_nothing();
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    const Clustering found = cluster(vectors.table(), {.cluster_count = 3, .seed = seed});
    ASSERT_EQ(found.nearest.size(), 8u) << "a record without text has no cluster";
    std::map<uint32_t, std::vector<size_t>> members;
    for (size_t i = 0; i < 8; ++i) members[found.nearest[i].center].push_back(i);
    std::set<std::vector<size_t>> bundles;
    for (const auto& [center, of_center] : members) bundles.insert(of_center);
    EXPECT_THAT(bundles, ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5), ElementsAre(6, 7))) << seed;
    // Centres are the directions in the middle: at 10, 120 and 240 degrees.
    EXPECT_NEAR(found.nearest[1].similarity, 1, 1e-6);
    EXPECT_NEAR(found.nearest[0].similarity, std::cos(10 * M_PI / 180), 1e-6);
    EXPECT_NEAR(found.nearest[3].similarity, std::cos(2 * M_PI / 180), 1e-6);
    EXPECT_NEAR(found.nearest[7].similarity, std::cos(5 * M_PI / 180), 1e-6);
  }
}

TEST(KMeans, SettlesWhereEachCenterIsTheMiddleOfItsMembers) {
  const RandomEmbeddings vectors(kSeed, 24, 6, 50, 0.8);
  const EmbeddingTable table = vectors.table();
  const Clustering found = cluster(table, {.cluster_count = 9, .iterations_max = 1000, .seed = kSeed});
  ASSERT_EQ(found.centers.size(), 9u * 24);
  std::vector<std::vector<double>> sums(9, std::vector<double>(24, 0));
  for (uint32_t record = 0; record < table.row_count(); ++record) {
    for (size_t d = 0; d < 24; ++d) {
      sums[found.nearest[record].center][d] += static_cast<double>(table.row(record)[d]);
    }
    for (size_t center = 0; center < 9; ++center) {
      const auto other = std::span<const float>(found.centers).subspan(center * 24, 24);
      EXPECT_LE(cosine_similarity(table.row(record), other),
                static_cast<double>(found.nearest[record].similarity) + 1e-6);
    }
  }
  for (size_t center = 0; center < 9; ++center) {
    double squares = 0;
    for (const double sum : sums[center]) squares += sum * sum;
    for (size_t d = 0; d < 24; ++d) {
      EXPECT_NEAR(static_cast<double>(found.centers[center * 24 + d]), sums[center][d] / std::sqrt(squares), 1e-6);
    }
  }
}

// Of 12 bundles and as many centres, one beginning in ten or so finds all; the best of several is no worse than the
// first.
TEST(KMeans, TheBestOfSeveralBeginningsCounts) {
  const RandomEmbeddings vectors(kSeed, 8, 12, 10, 0.5);
  const auto sum = [&](int start_count) {
    double all = 0;
    for (const NearCenter& near : cluster(vectors.table(), {.cluster_count = 12, .start_count = start_count}).nearest) {
      all += static_cast<double>(near.similarity);
    }
    return all;
  };
  EXPECT_LE(sum(1), sum(5));
  EXPECT_LT(sum(1), sum(40));
}

TEST(KMeans, TheSameForAnyNumberOfThreads) {
  const RandomEmbeddings vectors(kSeed, 33, 10, 700, 1.0);
  const KMeansOptions options{.cluster_count = 37, .sample_per_cluster = 50, .seed = kSeed};
  const Clustering one = cluster(vectors.table(), options, 1);
  for (const int threads : {2, 5}) {
    const Clustering many = cluster(vectors.table(), options, threads);
    EXPECT_EQ(many.centers, one.centers);
    for (size_t i = 0; i < one.nearest.size(); ++i) {
      ASSERT_EQ(many.nearest[i].center, one.nearest[i].center);
      ASSERT_EQ(many.nearest[i].similarity, one.nearest[i].similarity);
    }
  }
}

TEST(KMeans, NoMoreClustersThanRecordsDiffer) {
  RandomEmbeddings vectors;
  for (int i = 0; i < 20; ++i) vectors.add_at(i % 2 == 0 ? 30 : 60);
  EXPECT_EQ(cluster(vectors.table(), {.cluster_count = 5}).centers.size(), 2u * 2);
  EXPECT_EQ(cluster(vectors.table(), {.cluster_count = 1}).centers.size(), 1u * 2);
}

TEST(KMeans, TheNearestCentersComeInOrder) {
  RandomEmbeddings vectors;
  for (const double degrees : {0, 90, 180, 270}) vectors.add_at(degrees);
  const std::vector<float> centers(vectors.table().numbers.begin(), vectors.table().numbers.end());
  RandomEmbeddings asked;
  asked.add_at(100);
  asked.add_at(45);
  const std::vector<uint32_t> records = {0, 1};
  Executor executor(1);
  std::vector<std::vector<uint32_t>> found;
  for_each_nearest(asked.table(), records, centers, 3, executor, [&](size_t, std::span<const NearCenter> nearest) {
    found.emplace_back();
    for (const NearCenter& near : nearest) found.back().push_back(near.center);
  });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0], ElementsAre(1, 2, 0));
  EXPECT_EQ(found[1].size(), 3u);
  for_each_nearest(asked.table(), records, centers, 9, executor,
                   [&](size_t, std::span<const NearCenter> nearest) { EXPECT_EQ(nearest.size(), 4u); });
}

TEST(EmbeddingTable, SamplesAndProducts) {
  const RandomEmbeddings vectors(kSeed, 19, 40, 5, 1.0);
  const EmbeddingTable table = vectors.table();
  const std::vector<uint32_t> records = records_with_text(table);
  ASSERT_EQ(records.size(), 200u);
  const std::vector<uint32_t> sample = sample_of(records, 50, kSeed);
  EXPECT_EQ(sample.size(), 50u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::set(sample.begin(), sample.end()).size(), 50u);
  EXPECT_EQ(sample_of(records, 500, kSeed), records);
  EXPECT_NE(sample_of(records, 50, kSeed + 1), sample);

  Executor executor(2);
  std::vector<float> rows;
  std::vector<float> products;
  gather_rows(table, sample, rows);
  multiply_rows(executor, rows, table.numbers, table.width, products);
  for (size_t i = 0; i < sample.size(); ++i) {
    for (uint32_t k = 0; k < 200; ++k) {
      double exact = 0;
      for (size_t d = 0; d < 19; ++d) {
        exact += static_cast<double>(table.row(sample[i])[d]) * static_cast<double>(table.row(k)[d]);
      }
      EXPECT_NEAR(static_cast<double>(products[i * 200 + k]), exact, static_cast<double>(product_error(19)));
      EXPECT_NEAR(cosine_similarity(table.row(sample[i]), table.row(k)), std::min(exact, 1.0), 1e-14);
    }
  }
}

}  // namespace
}  // namespace pelton::data
