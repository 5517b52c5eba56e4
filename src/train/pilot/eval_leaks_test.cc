#include "train/pilot/eval_leaks.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

// Tokens that no two of these share.
Example example_of(int32_t token) {
  Example example;
  example.sequences.push_back({.tokens = {token, 1}, .is_learnt = {false, true}});
  return example;
}

Record record_of(std::string_view line) { return parse_record(parse_json(line, "line")); }

constexpr const char* kChat =
    R"({"messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": "Say 12, please"},
                     {"role": "assistant", "content": "Twelve."}]})";

TEST(EvalLeaks, SameTokensAreTheSame) {
  EvalLeaks leaks;
  leaks.add(nullptr, example_of(7));
  EXPECT_EQ(leaks.find(nullptr, example_of(7)), Leak::kSame);
  EXPECT_EQ(leaks.find(nullptr, example_of(8)), Leak::kNone);
  const Record record = record_of(kChat);
  EXPECT_EQ(leaks.find(&record, example_of(8)), Leak::kNone);
}

TEST(EvalLeaks, CaseSpacePunctuationAndSystemDoNotCount) {
  EvalLeaks leaks;
  const Record eval = record_of(kChat);
  leaks.add(&eval, example_of(1));
  const auto found = [&](std::string_view line) {
    const Record record = record_of(line);
    return leaks.find(&record, example_of(2));
  };
  EXPECT_EQ(found(R"({"prompt": "say 12 PLEASE", "completion": " twelve"})"), Leak::kNearlySame);
  EXPECT_EQ(found(R"({"messages": [{"role": "user", "content": "Say  12 - please!"},
                                   {"role": "assistant", "content": "twelve"}]})"),
            Leak::kNearlySame);
  EXPECT_EQ(found(R"({"prompt": "say 13 please", "completion": "twelve"})"), Leak::kNone);
  EXPECT_EQ(found(R"({"prompt": "say 12 please", "completion": "thirteen"})"), Leak::kNone);
}

TEST(EvalLeaks, HalfOfTheWordsInARow) {
  EvalLeaks leaks;
  const Record eval = record_of(
      R"({"prompt": "A farmer has seventeen sheep and all but nine of them run away one night, how many are left?",
          "completion": "Nine sheep are left, since all but nine ran away."})");
  leaks.add(&eval, example_of(1));
  const Record copy = record_of(
      R"({"prompt": "Riddle: a farmer has seventeen sheep, and all but nine of them run away one night. How many are",
          "completion": "left? Nine sheep are left, of course."})");
  EXPECT_EQ(leaks.find(&copy, example_of(2)), Leak::kNearlySame);
  const Record other =
      record_of(R"({"text": "A farmer has seventeen sheep and sells nine of them one night at noon."})");
  EXPECT_EQ(leaks.find(&other, example_of(3)), Leak::kNone);
}

TEST(EvalLeaks, CallsOfToolsCount) {
  const auto call = [](std::string_view city) {
    return record_of(R"({"messages": [{"role": "user", "content": "How is the weather?"}, {"role": "assistant",
        "content": null, "tool_calls": [{"id": "a1", "type": "function", "function": {"name": "weather", "arguments":
        "{\"city\": \")" +
                     std::string(city) + R"(\"}"}}]}]})");
  };
  EvalLeaks leaks;
  const Record paris = call("Paris"), same = call("PARIS"), rome = call("Rome");
  leaks.add(&paris, example_of(1));
  EXPECT_EQ(leaks.find(&same, example_of(2)), Leak::kNearlySame);
  EXPECT_EQ(leaks.find(&rome, example_of(3)), Leak::kNone);
}

}  // namespace
}  // namespace pelton
