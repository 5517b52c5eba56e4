#include "data/chat_profile.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton::data {
namespace {

std::string opening(std::string_view text) {
  const QuestionProfile profile = profile_question(text);
  return std::string(question_kind_name(profile.kind)) + " " + std::string(profile.opening);
}

TEST(ChatProfile, WhatAQuestionBeginsWith) {
  EXPECT_EQ(opening("Write a poem."), "instruction write");
  EXPECT_EQ(opening("  Hi! Could you please SUMMARIZE this text?"), "instruction summarize");
  EXPECT_EQ(opening("I’d like you to translate: Guten Tag"), "instruction translate");
  EXPECT_EQ(opening("help me to fix my code"), "instruction fix");
  EXPECT_EQ(opening("Can birds fly?"), "question can");
  EXPECT_EQ(opening("What's the capital of France?"), "question what's");
  EXPECT_EQ(opening("So, why is the sky blue"), "question why");
  EXPECT_EQ(opening("The capital of France?"), "question other");
  EXPECT_EQ(opening("I am tired."), "other other");
  EXPECT_EQ(opening("please"), "other other");
  EXPECT_EQ(opening(" \n"), "other other");
  EXPECT_EQ(opening("中国的首都是哪里"), "other other");
}

TEST(ChatProfile, Styles) {
  EXPECT_TRUE(profile_question("Name a fish.").is_short);
  EXPECT_FALSE(profile_question("Name a fish that lives in cold water.").is_short);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "word ";
  EXPECT_TRUE(profile_question(text).is_long);
  EXPECT_TRUE(profile_question("whats the best fish i can buy").is_sloppy);
  EXPECT_TRUE(profile_question("whats the best fish i can buy").has_typos);
  EXPECT_TRUE(profile_question("Can I definately eat it?").has_typos);
  EXPECT_FALSE(profile_question("Can I definitely eat it?").has_typos);
  EXPECT_FALSE(profile_question("Write a function").is_sloppy) << "one sign is none";
  EXPECT_TRUE(profile_question("Why??? I don't know").is_sloppy);
  EXPECT_TRUE(profile_question("pls tell me, u know it").is_informal);
  EXPECT_TRUE(profile_question("Thank you, go on.").is_polite);
  EXPECT_FALSE(profile_question("").is_short);
}

TEST(ChatProfile, FormsOfAnswers) {
  EXPECT_EQ(answer_form("It is so."), "prose");
  EXPECT_EQ(answer_form(" \n"), "empty");
  EXPECT_EQ(answer_form(" {\"a\": [1, 2]}\n"), "json");
  EXPECT_EQ(answer_form("```json\n{\"a\": 1}\n```"), "json");
  EXPECT_EQ(answer_form("{a set} of things"), "prose");
  EXPECT_EQ(answer_form("[1] says so."), "prose");
  EXPECT_EQ(answer_form("Here:\n```c\nint x;\n```\nThat is it."), "code");
  EXPECT_EQ(answer_form("| a | b |\n|---|:--:|\n| 1 | 2 |"), "table");
  EXPECT_EQ(answer_form("a | b\n--- | ---\n1 | 2"), "table");
  EXPECT_EQ(answer_form("-- | --"), "prose") << "no head above it";
  EXPECT_EQ(answer_form("Fish:\n- cod\n- herring"), "list");
  EXPECT_EQ(answer_form("1. cod\n\n2) herring"), "list");
  EXPECT_EQ(answer_form("- only one"), "prose");
  EXPECT_EQ(answer_form("In 1880. It was\nmade. So\n- one\n- two\nis little\nof\nall\nthat"), "prose");
  EXPECT_EQ(answer_form("<p>Text</p>"), "markup");
  EXPECT_EQ(answer_form(std::string(100000, '[')), "prose");
}

TEST(ChatProfile, Steps) {
  EXPECT_TRUE(shows_steps("Let’s think: two and two"));
  EXPECT_TRUE(shows_steps("Step 1: take it."));
  EXPECT_FALSE(shows_steps("Take it."));
}

}  // namespace
}  // namespace pelton::data
