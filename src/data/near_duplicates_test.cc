#include "data/near_duplicates.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/rng.h"
#include "data/disjoint_sets.h"

namespace pelton::data {
namespace {

std::string random_text(Rng& rng, size_t words) {
  std::string text;
  for (size_t i = 0; i < words; ++i) text += fmt::format("w{} ", rng.next_below(5000));
  return text;
}

// Replaces about that share of its words.
std::string edit(Rng& rng, const std::string& text, double share) {
  std::string edited;
  for (size_t position = 0; position < text.size();) {
    const size_t end = text.find(' ', position) + 1;
    edited +=
        rng.next_double() < share ? fmt::format("x{} ", rng.next_below(100000)) : text.substr(position, end - position);
    position = end;
  }
  return edited;
}

// Originals, some with exact copies, some with edited ones, some with copies of copies.
std::vector<std::string> corpus(uint64_t seed) {
  Rng rng(seed);
  std::vector<std::string> texts;
  for (int i = 0; i < 150; ++i) {
    texts.push_back(random_text(rng, 20 + rng.next_below(300)));
    while (rng.next_below(2) == 0) texts.push_back(edit(rng, texts.back(), 0.03 * rng.next_double()));
    if (rng.next_below(4) == 0) texts.push_back(texts.back());
  }
  texts.emplace_back();  // no words
  texts.emplace_back("?!");
  for (size_t i = texts.size(); i > 1; --i) std::swap(texts[i - 1], texts[rng.next_below(i)]);
  return texts;
}

struct Columns {
  std::vector<SketchColumns::Head> heads;
  std::vector<std::vector<uint64_t>> keys;
  std::vector<uint32_t> shingles;
};

Columns sketch_all(const std::vector<std::string>& texts, const NearDuplicateOptions& options, bool keeps_longest) {
  const Sketcher sketcher(options);
  Columns columns;
  columns.keys.resize(static_cast<size_t>(options.keys_per_record()));
  Sketch sketch;
  for (const std::string& text : texts) {
    sketcher.sketch(text, sketch);
    columns.heads.push_back({keeps_longest ? text.size() : 0, sketch.shingles.size()});
    columns.shingles.insert(columns.shingles.end(), sketch.shingles.begin(), sketch.shingles.end());
    for (size_t key = 0; key < sketch.keys.size(); ++key) columns.keys[key].push_back(sketch.keys[key]);
  }
  return columns;
}

NearDuplicates find(const Columns& columns, const NearDuplicateOptions& options, int threads,
                    size_t sort_bytes = size_t{1} << 20) {
  SketchColumns views{columns.heads, {}, columns.shingles};
  for (const std::vector<uint64_t>& keys : columns.keys) views.keys.emplace_back(keys);
  Executor executor(threads);
  return find_near_duplicates(views, options, {testing::TempDir(), sort_bytes}, executor);
}

double true_similarity(const std::string& a, const std::string& b, int ngram) {
  std::vector<uint64_t> words;
  std::vector<uint32_t> set_a;
  std::vector<uint32_t> set_b;
  hash_words(a, WordNormalization::kWords, words);
  hash_shingles(words, ngram, set_a);
  hash_words(b, WordNormalization::kWords, words);
  hash_shingles(words, ngram, set_b);
  make_set(set_a);
  make_set(set_b);
  return jaccard_similarity(set_a, set_b);
}

TEST(NearDuplicates, EachClusterKeepsOneAndEachDropNamesItsMatch) {
  const NearDuplicateOptions options;
  const std::vector<std::string> texts = corpus(1);
  const NearDuplicates found = find(sketch_all(texts, options, true), options, 2);
  ASSERT_GT(found.dropped.size(), 50u);

  DisjointSets clusters(static_cast<uint32_t>(texts.size()));
  std::map<uint32_t, uint32_t> match;
  for (const NearDuplicate& drop : found.dropped) {
    EXPECT_TRUE(match.emplace(drop.record, drop.duplicate_of).second);
    EXPECT_GE(drop.similarity, options.similarity_min);
    EXPECT_NEAR(drop.similarity, true_similarity(texts[drop.record], texts[drop.duplicate_of], 5), 1e-6);
    clusters.join(drop.record, drop.duplicate_of);
  }
  EXPECT_TRUE(std::is_sorted(found.dropped.begin(), found.dropped.end(),
                             [](const NearDuplicate& a, const NearDuplicate& b) { return a.record < b.record; }));
  // Whoever is named leads to the one that stays, which is the longest.
  for (auto [record, of] : match) {
    uint32_t kept = of;
    for (size_t steps = 0; match.contains(kept); kept = match[kept]) ASSERT_LT(++steps, texts.size());
    EXPECT_GE(texts[kept].size(), texts[record].size());
  }
  // All pairs, compared one by one: with 28 chances a pair of similarity 0.8 is missed with probability 0.006.
  int pairs = 0;
  int missed = 0;
  for (uint32_t a = 0; a < texts.size(); ++a) {
    for (uint32_t b = 0; b < a; ++b) {
      const bool is_pair = !texts[a].empty() && texts[a] != "?!" && true_similarity(texts[a], texts[b], 5) >= 0.8;
      pairs += is_pair;
      missed += is_pair && clusters.root_of(a) != clusters.root_of(b);
    }
  }
  EXPECT_GT(pairs, 100);
  EXPECT_LE(missed, pairs / 100);
}

TEST(NearDuplicates, SameForAnyThreadsAndMemory) {
  const NearDuplicateOptions options;
  const Columns columns = sketch_all(corpus(2), options, false);
  const NearDuplicates expected = find(columns, options, 1);
  for (const int threads : {1, 2, 5}) {
    const NearDuplicates found = find(columns, options, threads, 64);  // sorted on disk
    ASSERT_EQ(found.dropped.size(), expected.dropped.size());
    for (size_t i = 0; i < found.dropped.size(); ++i) {
      EXPECT_EQ(found.dropped[i].record, expected.dropped[i].record);
      EXPECT_EQ(found.dropped[i].duplicate_of, expected.dropped[i].duplicate_of);
      EXPECT_EQ(found.dropped[i].similarity, expected.dropped[i].similarity);
    }
    EXPECT_EQ(found.pairs_verified, expected.pairs_verified);
  }
}

TEST(NearDuplicates, UnverifiedDropsWhoeverSharesABucket) {
  NearDuplicateOptions options;
  options.similarity_min = 0;
  const std::vector<std::string> texts = corpus(3);
  const Columns columns = sketch_all(texts, options, false);
  DisjointSets expected(static_cast<uint32_t>(texts.size()));
  for (const std::vector<uint64_t>& keys : columns.keys) {
    for (uint32_t a = 0; a < texts.size(); ++a) {
      for (uint32_t b = 0; b < a; ++b) {
        if (columns.heads[a].shingle_count != 0 && keys[a] == keys[b]) expected.join(a, b);
      }
    }
  }
  const NearDuplicates found = find(columns, options, 2);
  size_t roots = 0;
  for (uint32_t record = 0; record < texts.size(); ++record) roots += expected.root_of(record) == record;
  EXPECT_EQ(found.dropped.size(), texts.size() - roots);
  for (const NearDuplicate& drop : found.dropped) {
    EXPECT_EQ(drop.duplicate_of, expected.root_of(drop.record));  // the first of its cluster
    EXPECT_NEAR(drop.similarity, true_similarity(texts[drop.record], texts[drop.duplicate_of], 5), 1e-6);
  }
}

TEST(NearDuplicates, ThousandsOfEqualRecords) {
  const NearDuplicateOptions options;
  const std::vector<std::string> texts(3000, "one and the same text, again and again and again");
  const NearDuplicates found = find(sketch_all(texts, options, false), options, 2);
  EXPECT_EQ(found.dropped.size(), 2999u);
  for (const NearDuplicate& drop : found.dropped) EXPECT_EQ(drop.duplicate_of, 0u);
  EXPECT_EQ(found.pairs_verified, 2999u);
}

TEST(NearDuplicates, NoRecords) {
  const NearDuplicateOptions options;
  EXPECT_TRUE(find(sketch_all({}, options, false), options, 1).dropped.empty());
}

}  // namespace
}  // namespace pelton::data
