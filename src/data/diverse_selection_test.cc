#include "data/diverse_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/random_embeddings.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;

constexpr uint64_t kSeed = 21;

std::vector<uint32_t> all_of(const EmbeddingTable& table) {
  std::vector<uint32_t> records(table.row_count());
  std::iota(records.begin(), records.end(), 0u);
  return records;
}

TEST(DiverseSelection, CentersAreTheFarthestFromThoseBefore) {
  RandomEmbeddings vectors;
  for (const double degrees : {0, 1, 2, 3, 60, 180}) vectors.add_at(degrees);
  Executor executor(2);
  // The mean of all points to 15° or so: 3° is nearest to it. Then 180°, then 60°.
  EXPECT_THAT(choose_centers(vectors.table(), all_of(vectors.table()), 3, executor), ElementsAre(3, 5, 4));
  EXPECT_EQ(choose_centers(vectors.table(), all_of(vectors.table()), 6, executor).size(), 6u);
}

// The farthest from `first` and those after it, of equally far ones the first, each compared with all.
std::vector<uint32_t> plain_centers(const EmbeddingTable& table, uint32_t first, size_t count) {
  std::vector<uint32_t> chosen = {first};
  std::vector<double> nearest(table.row_count(), -1);
  while (chosen.size() < count) {
    for (uint32_t record = 0; record < table.row_count(); ++record) {
      nearest[record] = std::max(nearest[record], cosine_similarity(table.row(record), table.row(chosen.back())));
    }
    for (const uint32_t record : chosen) nearest[record] = 2;
    chosen.push_back(static_cast<uint32_t>(std::min_element(nearest.begin(), nearest.end()) - nearest.begin()));
  }
  return chosen;
}

TEST(DiverseSelection, CentersAreThoseOfAPlainLoop) {
  RandomEmbeddings bundles(kSeed, 12, 30, 20, 0.5);
  for (uint32_t record = 0; record < 40; ++record) bundles.add_copy(3 * record);  // equally far ones
  const RandomEmbeddings tight(kSeed, 16, 40, 30, 0.05), even(kSeed, 64, 1, 700, 20), few(kSeed, 8, 1, 3, 1);
  for (const EmbeddingTable& table : {bundles.table(), tight.table(), even.table(), few.table()}) {
    const std::vector<uint32_t> records = all_of(table);
    for (const size_t count : {size_t{1}, size_t{2}, size_t{60}, size_t{300}, records.size()}) {
      if (count > records.size()) continue;
      SCOPED_TRACE(count);
      Executor three(3), one(1);
      const std::vector<uint32_t> chosen = choose_centers(table, records, count, three);
      EXPECT_EQ(chosen, plain_centers(table, chosen.front(), count));
      EXPECT_EQ(choose_centers(table, records, count, one), chosen);
    }
  }
}

double served(const EmbeddingTable& table, const std::vector<uint32_t>& chosen) {
  double sum = 0;
  for (uint32_t customer = 0; customer < table.row_count(); ++customer) {
    double best = 0;
    for (const uint32_t record : chosen)
      best = std::max(best, cosine_similarity(table.row(record), table.row(customer)));
    sum += best;
  }
  return sum;
}

TEST(DiverseSelection, FacilitiesAddTheMostOneByOne) {
  const RandomEmbeddings vectors(kSeed, 12, 8, 12, 0.6);
  const EmbeddingTable table = vectors.table();
  Executor executor(2);
  const std::vector<uint32_t> chosen = choose_facilities(table, all_of(table), 20, {}, executor);
  ASSERT_EQ(chosen.size(), 20u);
  std::vector<uint32_t> before;
  for (const uint32_t record : chosen) {
    std::vector<uint32_t> with = before;
    with.push_back(record);
    const double value = served(table, with);
    for (const uint32_t other : all_of(table)) {
      with.back() = other;
      // Sums of 96 products in float.
      EXPECT_GE(value, served(table, with) - 96 * static_cast<double>(product_error(12))) << before.size();
    }
    before.push_back(record);
  }
  // More than chance: of eight bundles the first eight have one each.
  std::vector<uint32_t> bundles;
  for (size_t i = 0; i < 8; ++i) bundles.push_back(chosen[i] / 12);
  std::sort(bundles.begin(), bundles.end());
  EXPECT_EQ(std::unique(bundles.begin(), bundles.end()), bundles.end());
}

TEST(DiverseSelection, FacilitiesByASampleOfCustomers) {
  const RandomEmbeddings vectors(kSeed, 12, 8, 50, 0.3);
  const EmbeddingTable table = vectors.table();
  Executor one(1);
  Executor many(4);
  const FacilityOptions few{.customer_count_max = 60, .seed = 3};
  const std::vector<uint32_t> chosen = choose_facilities(table, all_of(table), 8, few, one);
  EXPECT_EQ(choose_facilities(table, all_of(table), 8, few, many), chosen);
  const std::vector<uint32_t> by_all = choose_facilities(table, all_of(table), 8, {}, one);
  EXPECT_GT(served(table, chosen), 0.97 * served(table, by_all));
  EXPECT_EQ(choose_facilities(table, all_of(table), 400, few, one).size(), 400u) << "all, when nothing is gained";
}

TEST(DiverseSelection, EachOtherRecordHasItsNearest) {
  const RandomEmbeddings vectors(kSeed, 9, 20, 30, 0.7);
  const EmbeddingTable table = vectors.table();
  const std::vector<uint32_t> chosen = {3, 77, 200, 412, 599};
  Executor executor(2);
  const std::vector<uint32_t> records = all_of(table);
  const std::vector<Representative> found = representatives(table, records, chosen, executor);
  for (const uint32_t record : records) {
    double best = -1;
    for (const uint32_t other : chosen) best = std::max(best, cosine_similarity(table.row(record), table.row(other)));
    EXPECT_NEAR(found[record].similarity, best, 1e-6);
    EXPECT_EQ(found[record].similarity, cosine_similarity(table.row(record), table.row(found[record].record)));
  }
}

}  // namespace
}  // namespace pelton::data
