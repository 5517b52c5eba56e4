#include "data/counterfactual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace pelton::data {
namespace {

class GenderSwap : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(GenderSwap, SaysItOfTheOther) {
  const auto& [text, expected] = GetParam();
  const TermSwapper swapper(gender_terms());
  const std::optional<Counterfactual> made = swapper.swap(text);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->text, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Sentences, GenderSwap,
    testing::Values(std::tuple("He told his mother that he was late.", "She told her father that she was late."),
                    std::tuple("I saw her in the garden with her dog.", "I saw him in the garden with his dog."),
                    std::tuple("The book is his. The pen is hers.", "The book is hers. The pen is his."),
                    std::tuple("A friend of his and her dog", "A friend of hers and his dog"),
                    std::tuple("SHE SAID: ask Her, not him!", "HE SAID: ask Him, not her!"),
                    std::tuple("He's a waiter, she's a businesswoman.", "She's a waitress, he's a businessman."),
                    std::tuple("The men's room, the girls' school", "The women's room, the boys' school"),
                    std::tuple("Mr. Smith and his wife", "Mrs. Smith and her husband")));

TEST(TermSwapper, PartsOfWordsStay) {
  const TermSwapper swapper(gender_terms());
  EXPECT_FALSE(swapper.swap("The theme of this history: mankind, shepherds, Herman and hymns."));
}

TEST(TermSwapper, TermsOfOnesOwnGoBothWaysAndMayBePhrases) {
  const TermSwapper swapper({{"christian", "muslim"}, {"old people", "young people"}});
  const std::optional<Counterfactual> made = swapper.swap("A Muslim and a Christian among Old people. Her people.");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->text, "A Christian and a Muslim among Young people. Her people.");
  EXPECT_EQ(made->swapped, 3u);
  EXPECT_EQ(made->example, "Muslim → Christian");
}

TEST(TermSwapper, TwiceIsOnceUndoneWhereNoWordIsTwoOthers) {
  const TermSwapper swapper(gender_terms());
  const std::string text = "The king and his sons spoke; she and her mother listened.";
  EXPECT_EQ(swapper.swap(swapper.swap(text)->text)->text, text);
}

}  // namespace
}  // namespace pelton::data
