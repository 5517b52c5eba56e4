#include "data/contamination.h"

#include <gtest/gtest.h>

namespace pelton::data {
namespace {

constexpr std::string_view kQuestion =
    "A farmer has seventeen sheep and all but nine of them run away one night, how many sheep are left?";

ContaminationIndex index_of(const ContaminationOptions& options = {}) {
  ContaminationIndex index(options);
  EXPECT_TRUE(index.add("q1", kQuestion));
  EXPECT_TRUE(index.add("q2", "What is the capital city of the French Republic today?"));
  EXPECT_FALSE(index.add("q3", "Yes or no?"));
  return index;
}

TEST(Contamination, FoundWhateverCaseAndPunctuation) {
  const ContaminationIndex index = index_of();
  const std::string text =
      "Before. a FARMER has -- seventeen sheep and all (but nine) of them run\n\naway one night how many sheep are "
      "left! After.";
  const auto found = index.find(text);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->item, "q1");
  EXPECT_EQ(found->overlap, 1.0);
  EXPECT_EQ(found->match, text.substr(8, text.size() - 8 - 8));
}

TEST(Contamination, ShortItemsAreFoundAsAWhole) {
  const ContaminationIndex index = index_of();
  const auto found = index.find("He asked: what is the capital city of the french republic, today");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->item, "q2");
  EXPECT_FALSE(index.find("What is the capital city of the French Republic?"));
}

TEST(Contamination, APartCountsByItsShare) {
  const std::string_view part =
      "farmer has seventeen sheep and all but nine of them run away one";  // 13 of its 20 words
  EXPECT_FALSE(index_of().find(part));
  const auto found = index_of({.overlap_min = 0}).find(part);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->overlap, 1.0 / 8, 1e-9);
  EXPECT_EQ(found->match, part);
}

TEST(Contamination, WhatManyItemsShareTellsNone) {
  // 17 words: 5 of the 9 n-grams of each item.
  const std::string form = "Read the following review of a film and say whether its writer liked the film or not: ";
  ContaminationIndex index({.sharing_items_max = 2}), plain({});
  for (const std::string review : {"great fun from start", "a long tired story"}) {
    index.add(review, form + review);
    plain.add(review, form + review);
  }
  const std::string other = form + "he went home";
  EXPECT_TRUE(index.find(other)) << "two items may share them";
  index.add("3", form + "nothing in it surprised");
  plain.add("3", form + "nothing in it surprised");
  EXPECT_TRUE(plain.find(other));
  EXPECT_FALSE(index.find(other));
  const auto found = index.find(form + "GREAT: fun, from start!");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->item, "great fun from start");
  EXPECT_EQ(found->overlap, 1.0);
}

TEST(Contamination, NothingInOtherTexts) {
  EXPECT_FALSE(
      index_of({.overlap_min = 0}).find("A farmer has seventeen cows and all but nine of them run away one night."));
  EXPECT_FALSE(index_of().find(""));
}

}  // namespace
}  // namespace pelton::data
