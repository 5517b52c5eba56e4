#include "eval/text_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "eval/byte_tokenizer.h"

namespace pelton {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kBos = ByteTokenizer::kBos;

TEST(TextChunks, DropTheRest) {
  const TextChunks chunks(ByteTokenizer(false), "abcdefghijklmnopqrstu", {.token_count = 8});
  ASSERT_EQ(chunks.count(), 2);
  EXPECT_THAT(chunks[0], ElementsAre('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'));
  EXPECT_THAT(chunks[1], ElementsAre('i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'));
}

// Tokens 5, 6 and 7 of 8 are scored: those that follow one of the second half.
TEST(TextChunks, ScoreTheSecondHalf) {
  const TextChunks even(ByteTokenizer(false), "abcdefghijklmnop", {.token_count = 8});
  EXPECT_EQ(even.first_scored_row(), 4);
  EXPECT_EQ(even.scored_per_chunk(), 3);
  EXPECT_EQ(even.scored_bytes(), 6);
  const TextChunks odd(ByteTokenizer(false), "abcdefghi", {.token_count = 9});
  EXPECT_EQ(odd.first_scored_row(), 4);
  EXPECT_EQ(odd.scored_per_chunk(), 4);
  EXPECT_EQ(odd.scored_bytes(), 4);
}

TEST(TextChunks, BosReplacesTheFirstTokenOfEach) {
  const TextChunks chunks(ByteTokenizer(true), "abcdefghijklmno", {.token_count = 8});
  ASSERT_EQ(chunks.count(), 2);  // BOS of the whole text counts
  EXPECT_THAT(chunks[0], ElementsAre(kBos, 'a', 'b', 'c', 'd', 'e', 'f', 'g'));
  EXPECT_THAT(chunks[1], ElementsAre(kBos, 'i', 'j', 'k', 'l', 'm', 'n', 'o'));
}

TEST(TextChunks, NoMoreThanWanted) {
  const ByteTokenizer tokenizer(false);
  const std::string text(100, 'x');
  EXPECT_EQ(TextChunks(tokenizer, text, {.token_count = 10}).count(), 10);
  EXPECT_EQ(TextChunks(tokenizer, text, {.token_count = 10, .chunk_count_max = 3}).count(), 3);
  EXPECT_EQ(TextChunks(tokenizer, text, {.token_count = 10, .chunk_count_max = 1000}).count(), 10);
}

TEST(TextChunks, NeedOneWholeChunk) {
  const ByteTokenizer tokenizer(false);
  for (const std::string text : {"", "too few"}) {
    try {
      TextChunks(tokenizer, text, {.token_count = 8});
      ADD_FAILURE() << "\"" << text << "\" was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.message(), AllOf(HasSubstr(std::to_string(text.size()) + " tokens"), HasSubstr("of 8")));
    }
  }
  EXPECT_THROW(TextChunks(tokenizer, "abc", {.token_count = std::numeric_limits<int64_t>::max()}), Error);
}

}  // namespace
}  // namespace pelton
