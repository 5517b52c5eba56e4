#include "engine/reasoning.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

constexpr TokenId kThought{1}, kFirst{10}, kSecond{11}, kEnd{2};

TEST(Reasoning, EndsByItselfHoweverItsEndIsCut) {
  Reasoning reasoning({.begin = "", .end = "</think>", .closing = {kFirst}, .token_count_max = {}});
  for (const char* bytes : {"hm", "</thi", "nk </th", "ink"}) {
    EXPECT_EQ(reasoning.choose(kThought, false), kThought);
    reasoning.push(bytes);
    EXPECT_TRUE(reasoning.is_open()) << bytes;
  }
  reasoning.push(">\n");
  EXPECT_FALSE(reasoning.is_open());
  EXPECT_EQ(reasoning.choose(kEnd, true), kEnd);  // now the answer may end
}

TEST(Reasoning, TheBudgetPutsItsEndIntoTheModelsMouth) {
  Reasoning reasoning({.begin = "", .end = "</think>", .closing = {kFirst, kSecond}, .token_count_max = 2});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(reasoning.choose(kThought, false), kThought);
    reasoning.push("x");
  }
  EXPECT_EQ(reasoning.choose(kThought, false), kFirst);
  reasoning.push("</think>");
  EXPECT_TRUE(reasoning.is_open());  // its line break is still to come
  EXPECT_EQ(reasoning.choose(kThought, false), kSecond);
  reasoning.push("\n\n");
  EXPECT_FALSE(reasoning.is_open());
  EXPECT_EQ(reasoning.choose(kThought, false), kThought);
}

TEST(Reasoning, ABudgetOfNothingAndAnEndOfAllCloseAtOnce) {
  Reasoning none({.begin = "", .end = "</think>", .closing = {kFirst}, .token_count_max = 0});
  EXPECT_EQ(none.choose(kThought, false), kFirst);
  Reasoning ended({.begin = "", .end = "</think>", .closing = {kFirst}, .token_count_max = {}});
  EXPECT_EQ(ended.choose(kEnd, true), kFirst);
}

TEST(Reasoning, BeginsWhereTheAnswerDoesOrNotAtAll) {
  const ReasoningOptions options{.begin = "<think>", .end = "</think>", .closing = {kFirst}, .token_count_max = 1};
  Reasoning begun(options);
  for (const char* bytes : {"\n<th", "ink"}) {
    EXPECT_EQ(begun.choose(kThought, false), kThought);
    begun.push(bytes);
    EXPECT_FALSE(begun.is_open());
  }
  begun.push(">\n");
  EXPECT_TRUE(begun.is_open());
  begun.push("hm");
  EXPECT_EQ(begun.choose(kThought, false), kFirst);

  Reasoning never(options);
  never.push("Yes. <think>");
  EXPECT_FALSE(never.is_open());
  EXPECT_EQ(never.choose(kEnd, true), kEnd);
}

}  // namespace
}  // namespace pelton
