#include "bench/bench_sequences.h"

#include <gtest/gtest.h>

#include <set>

namespace pelton {
namespace {

TEST(BenchSequences, PagesBelongToOneSequence) {
  const BenchSequences sequences({.sequence_count = 3, .length = 33, .vocabulary_size = 50, .first_page = 4});
  EXPECT_EQ(sequences.page_count(), 9);
  const BenchStep step = sequences.next_tokens(3, 32);
  std::set<int32_t> pages;
  for (const AttentionSequence& sequence : step.batch.sequences) {
    EXPECT_EQ(sequence.pages.size(), 3u);
    pages.insert(sequence.pages.begin(), sequence.pages.end());
  }
  EXPECT_EQ(pages.size(), 9u);
  EXPECT_EQ(*pages.begin(), 4);
}

TEST(BenchSequences, ChunksAreTheSameTokensHoweverCut) {
  const BenchSequences sequences({.sequence_count = 2, .length = 20, .vocabulary_size = 50});
  const BenchStep whole = sequences.chunk(1, 0, 20, true);
  const BenchStep last = sequences.chunk(1, 15, 5, false);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(whole.batch.tokens[15 + i], last.batch.tokens[i]);
  for (const int32_t token : whole.batch.tokens) EXPECT_TRUE(token >= 0 && token < 50);
  EXPECT_EQ(whole.batch.logit_rows, std::vector<int32_t>{19});
  EXPECT_TRUE(last.batch.logit_rows.empty());
  EXPECT_EQ(last.rows.logit_row_count, 0);
  EXPECT_EQ(last.rows.sequences[0].first_position, 15);
  EXPECT_EQ(sequences.next_tokens(2, 15).batch.tokens[1], last.batch.tokens[0]);
}

}  // namespace
}  // namespace pelton
