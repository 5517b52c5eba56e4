#include "data/group_mentions.h"

#include <gtest/gtest.h>

#include <vector>

namespace pelton::data {
namespace {

TEST(GroupMentions, ByRoleAndByTheWordsAround) {
  std::vector<Message> turns = {
      {.role = Role::kSystem, .content = "Muslims and Christians ask."},
      {.role = Role::kUser, .content = "My mother is kind. Is he lazy?"},
      {.role = Role::kAssistant,
       .content = "The woman is brilliant and he is wise. One two three four five six seven "
                  "eight nine: a dangerous man!"},
      {.role = Role::kTool, .content = "elderly"},
  };
  Record record;
  record.kind = RecordKind::kChat;
  record.messages = turns;
  GroupCounts counts = all_groups();
  count_mentions(record, counts);
  const GroupMentions& women = counts.at("gender: female");
  EXPECT_EQ(women.in_questions, 1u);
  EXPECT_EQ(women.in_answers, 1u);
  EXPECT_EQ(women.positive, 1u) << "the mother has a good word and a bad one near her";
  EXPECT_EQ(women.negative, 0u);
  const GroupMentions& men = counts.at("gender: male");
  EXPECT_EQ(men.in_questions, 1u);
  EXPECT_EQ(men.in_answers, 2u);
  EXPECT_EQ(men.positive, 1u);
  EXPECT_EQ(men.negative, 1u);
  EXPECT_EQ(counts.at("religion: muslim").in_others, 1u);
  EXPECT_EQ(counts.at("religion: christian").count(), 1u);
  EXPECT_EQ(counts.at("age: old").in_others, 1u);
  EXPECT_EQ(counts.at("origin: asian").count(), 0u);
}

TEST(GroupMentions, TextsAndNoRejectedAnswers) {
  GroupCounts counts = all_groups();
  Record text;
  text.text = "Black people, black paint. BLACK  WOMEN! An old chair and old people.";
  count_mentions(text, counts);
  EXPECT_EQ(counts.at("origin: african").in_texts, 2u);
  EXPECT_EQ(counts.at("gender: female").in_texts, 0u) << "of two that begin alike the longer, and nothing twice";
  EXPECT_EQ(counts.at("age: old").in_texts, 1u);

  std::vector<Message> chosen = {{.role = Role::kAssistant, .content = "A girl."}};
  std::vector<Message> rejected = {{.role = Role::kAssistant, .content = "A boy."}};
  Record pair;
  pair.kind = RecordKind::kPreference;
  pair.chosen = chosen;
  pair.rejected = rejected;
  count_mentions(pair, counts);
  EXPECT_EQ(counts.at("gender: female").in_answers, 1u);
  EXPECT_EQ(counts.at("gender: male").in_answers, 0u);
}

}  // namespace
}  // namespace pelton::data
