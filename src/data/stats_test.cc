#include "data/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/json_text.h"
#include "base/rng.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(CountDistribution, QuantilesAgreeWithASortedList) {
  Rng rng(5);
  CountDistribution distribution;
  std::vector<uint64_t> values;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t value = rng.next_below(uint64_t{1} << rng.next_below(40));
    values.push_back(value);
    distribution.add(value);
  }
  std::sort(values.begin(), values.end());
  for (const double part : {0.0, 0.05, 0.5, 0.95, 0.999}) {
    const uint64_t exact = values[static_cast<size_t>(part * 5000)];
    const uint64_t found = distribution.quantile(part);
    EXPECT_LE(found, exact);
    // A bucket above 32 is a sixteenth of a power of two wide.
    EXPECT_GE(static_cast<double>(found), static_cast<double>(exact) * 16 / 17 - (exact < 32 ? 0 : 1)) << part;
  }
  EXPECT_EQ(distribution.min(), values.front());
  EXPECT_EQ(distribution.max(), values.back());
}

TEST(CountDistribution, ByPowersOfTwo) {
  CountDistribution distribution;
  for (const uint64_t value : {0, 1, 2, 3, 4, 7, 8, 100}) distribution.add(value);
  EXPECT_THAT(distribution.by_powers_of_two(), ElementsAre(2, 2, 2, 1, 0, 0, 1));
}

TEST(Stats, CountsWhatThereIs) {
  const TestFiles files;
  files.write("d/a.jsonl",
              "{\"id\":\"1\",\"text\":\"one two\",\"license\":\"mit\"}\n"
              "{\"id\":\"1\",\"text\":\"one two\"}\n"
              "{\"text\":\"one two\",\"synthetic\":true}\nbroken\n"
              "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"a b c\"},"
              "{\"role\":\"assistant\",\"content\":\"<think>x</think> y\"},{\"role\":\"user\",\"content\":\"q\"},"
              "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]}\n");
  const DatasetStats stats = collect_stats(find_input_files(files.path("d"), {}),
                                           {.format = std::nullopt, .top_duplicates_max = 5, .coverage_by = {}});
  EXPECT_EQ(stats.records, 4u);
  EXPECT_EQ(stats.bad_lines, 1u);
  EXPECT_THAT(stats.formats, ElementsAre(Pair("messages", 1), Pair("text", 3)));
  EXPECT_THAT(stats.licenses, ElementsAre(Pair("mit", 1), Pair("unknown", 3)));
  EXPECT_EQ(stats.synthetic, 1u);
  EXPECT_EQ(stats.duplicates, 2u);
  EXPECT_EQ(stats.repeated_ids, 1u);
  ASSERT_EQ(stats.top_duplicates.size(), 1u);
  EXPECT_EQ(stats.top_duplicates[0].count, 3u);
  EXPECT_EQ(stats.top_duplicates[0].first_id, "1");
  EXPECT_EQ(stats.top_duplicates[0].excerpt, "one two");
  EXPECT_EQ(stats.with_system_prompt, 1u);
  EXPECT_EQ(stats.with_tool_calls, 1u);
  EXPECT_EQ(stats.with_reasoning, 1u);
  EXPECT_EQ(stats.multi_turn, 1u);
  EXPECT_EQ(stats.turns_per_chat.sum(), 5u);
  EXPECT_EQ(stats.words_per_question.sum(), 4u);
  EXPECT_EQ(stats.words_per_answer.max(), 2u);
}

TEST(Stats, SaysWhatIsCovered) {
  const TestFiles files;
  const auto chat = [](std::string_view question, std::string_view answer, int topic) {
    return to_json_text(json::object{{"prompt", question}, {"completion", answer}, {"topic", topic}}) + "\n";
  };
  const std::string path = files.write(
      "a.jsonl", chat("Please write a poem about the sea.", "The sea is wide.", 0) +
                     chat("write a function", "```python\npass\n```", 1) + chat("Write JSON.", "{\"a\": [1]}", 1) +
                     chat("What is 2 + 2?", "Let's think step by step. It is 4.", 1) +
                     "{\"text\": \"She is a brilliant engineer. The woman was lazy.\", \"topic\": true}\n");
  const DatasetStats stats = collect_stats(find_input_files(path, {}), {});
  EXPECT_THAT(stats.question_kinds, ElementsAre(Pair("instruction", 3), Pair("question", 1)));
  EXPECT_THAT(stats.openings, ElementsAre(Pair("what", 1), Pair("write", 3)));
  EXPECT_THAT(stats.answer_forms, ElementsAre(Pair("code", 1), Pair("json", 1), Pair("prose", 2)));
  EXPECT_THAT(stats.question_styles, ElementsAre(Pair("polite", 1), Pair("short", 3), Pair("sloppy", 1)));
  EXPECT_EQ(stats.single_turn, 4u);
  EXPECT_EQ(stats.with_steps, 1u);
  EXPECT_GE(stats.languages.at("en"), 1u) << "what so few words are is the library's guess";
  EXPECT_EQ(stats.coverage.size(), 3u);
  EXPECT_THAT(stats.coverage.at("write"), ElementsAre(Pair("code", 1), Pair("json", 1), Pair("prose", 1)));
  EXPECT_THAT(stats.coverage.at("text"), ElementsAre(Pair("text", 1)));
  const GroupMentions& women = stats.groups.at("gender: female");
  EXPECT_EQ(women.in_texts, 2u);
  EXPECT_EQ(women.in_answers, 0u);

  const DatasetStats by_topic =
      collect_stats(find_input_files(path, {}), {.format = std::nullopt, .coverage_by = "topic"});
  EXPECT_EQ(by_topic.coverage.size(), 3u);
  EXPECT_THAT(by_topic.coverage.at("1"), ElementsAre(Pair("code", 1), Pair("json", 1), Pair("prose", 1)));
  EXPECT_THAT(by_topic.coverage.at("true"), ElementsAre(Pair("text", 1)));
}

}  // namespace
}  // namespace pelton::data
