#include "data/comparable_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/rng.h"

namespace pelton::data {
namespace {

std::vector<uint64_t> words(std::string_view text, WordNormalization normalization = WordNormalization::kWords) {
  std::vector<uint64_t> hashes;
  hash_words(text, normalization, hashes);
  return hashes;
}

std::vector<uint64_t> fineweb(std::string_view text) { return words(text, WordNormalization::kFineWeb); }

TEST(ComparableWords, CaseAndWhatStandsBetweenDoNotCount) {
  EXPECT_EQ(words("The  quick\n(brown) fox!"), words("the quick, BROWN... fox"));
  EXPECT_EQ(words("Ärger, ÎLE"), words("ärger île"));
  EXPECT_NE(words("foo_bar"), words("foo bar"));
  EXPECT_NE(words("version 1.2"), words("version 1.3"));
  EXPECT_NE(words("Arger"), words("Ärger"));
  EXPECT_EQ(words("naïve don't").size(), 3u);
  EXPECT_TRUE(words(" \n\t--- … ").empty());
  EXPECT_TRUE(words("").empty());
}

TEST(ComparableWords, OrderCounts) { EXPECT_NE(words("a b"), words("b a")); }

TEST(ComparableWords, ScriptsWithoutSpacesGiveAWordForEachCharacter) {
  EXPECT_EQ(words("我是人").size(), 3u);
  EXPECT_EQ(words("abc日本def").size(), 4u);
  EXPECT_EQ(words("𠀀𠀁").size(), 2u);  // beyond the table
  EXPECT_EQ(words("안녕 하세요").size(), 2u);
}

// What datatrove's simplify_text makes of the same texts.
TEST(ComparableWords, FineWebNormalisation) {
  EXPECT_EQ(fineweb("Version 12.5, of 3,000 and 7"), fineweb("version 0 of 0 and 0"));
  EXPECT_EQ(fineweb("1.2.3"), fineweb("0 0"));
  EXPECT_EQ(fineweb("x86_64"), fineweb("x0 0"));
  EXPECT_EQ(fineweb("1."), fineweb("0"));
  EXPECT_EQ(fineweb("٣٫٥ cm"), fineweb("0 cm"));
  EXPECT_EQ(fineweb("Crème brûlée — Ångström"), fineweb("creme brulee angstrom"));
  EXPECT_EQ(fineweb("don't"), fineweb("don t"));
  EXPECT_EQ(fineweb("a\u0301 b\x01"
                    "c"),
            fineweb("a b c"));
  EXPECT_NE(fineweb("10 €"), fineweb("10"));  // not among its punctuation
}

TEST(ComparableWords, BytesThatAreNoUtf8Separate) {
  EXPECT_EQ(words("ab\xFF\xC3 cd"), words("ab cd"));
  EXPECT_EQ(words("ab\xE2\x82"), words("ab"));
}

TEST(ComparableWords, ShinglesAreWindows) {
  std::vector<uint32_t> abcdef;
  std::vector<uint32_t> bcdef;
  hash_shingles(words("a b c d e f"), 5, abcdef);
  hash_shingles(words("b c d e f"), 5, bcdef);
  ASSERT_EQ(abcdef.size(), 2u);
  ASSERT_EQ(bcdef.size(), 1u);
  EXPECT_EQ(abcdef[1], bcdef[0]);
  EXPECT_NE(abcdef[0], bcdef[0]);
  hash_shingles(words("a b"), 5, abcdef);
  EXPECT_EQ(abcdef.size(), 1u);
  hash_shingles({}, 5, abcdef);
  EXPECT_TRUE(abcdef.empty());
}

TEST(ComparableWords, ASetIsSortedAndEachOnce) {
  Rng rng(9);
  for (const size_t count : {0, 1, 255, 256, 257, 5000}) {
    std::vector<uint32_t> numbers(count);
    for (uint32_t& number : numbers) number = static_cast<uint32_t>(rng.next()) >> rng.next_below(32);
    const std::set<uint32_t> expected(numbers.begin(), numbers.end());
    make_set(numbers);
    EXPECT_EQ(numbers, std::vector<uint32_t>(expected.begin(), expected.end())) << count;
  }
}

TEST(ComparableWords, JaccardIsThatOfTheSets) {
  Rng rng(3);
  for (int turn = 0; turn < 100; ++turn) {
    std::vector<uint32_t> a(rng.next_below(40));
    std::vector<uint32_t> b(rng.next_below(40));
    for (uint32_t& item : a) item = static_cast<uint32_t>(rng.next_below(30));
    for (uint32_t& item : b) item = static_cast<uint32_t>(rng.next_below(30));
    make_set(a);
    make_set(b);
    std::set<uint32_t> all(a.begin(), a.end());
    all.insert(b.begin(), b.end());
    std::vector<uint32_t> common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
    const double expected = all.empty() ? 1.0 : static_cast<double>(common.size()) / static_cast<double>(all.size());
    EXPECT_DOUBLE_EQ(jaccard_similarity(a, b), expected);
  }
}

}  // namespace
}  // namespace pelton::data
