#include "engine/time_account.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace pelton {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint kStart{};
constexpr StepTimes kTimes{.fixed_ms = 4, .decode_row_ms = 1, .prompt_row_ms = 0.5};

// A step that takes what such steps take, and `late` more.
StepAccount step(int64_t begin_ms, StepWork work, int64_t sequence_count, int64_t late_ms = 0, int64_t gap_ms = 0) {
  const auto taken = milliseconds(static_cast<int64_t>(kTimes.estimate_ms(work)) + late_ms);
  const TimePoint begin = kStart + milliseconds(begin_ms);
  return {.previous_end = begin - milliseconds(gap_ms),
          .begin = begin,
          .end = begin + taken,
          .work = work,
          .times = kTimes,
          .sequence_count = sequence_count};
}

TEST(TimeAccount, CutsAStepAsItsRowsCost) {
  TimeAccount account(kStart);
  // Its prompt's 20 rows beside 10 of another's and 6 answers: 4 + 6 + 15 ms, after 30 ms in the queue.
  account.add_step(step(30, {.decode_rows = 6, .prompt_rows = 30}, 8), 20, true);
  const TimeShares& first = account.until_first_token();
  EXPECT_EQ(first[TimePart::kQueue], milliseconds(30));
  EXPECT_EQ(first[TimePart::kPrompt], milliseconds(14));
  EXPECT_EQ(first[TimePart::kOtherPrompts], milliseconds(5));
  EXPECT_EQ(first[TimePart::kBatch], milliseconds(6));
  EXPECT_EQ(first.largest(), TimePart::kQueue);
  EXPECT_EQ(account.prompt_use(), std::chrono::microseconds(10'500)) << "and an eighth of what the step costs anyhow";

  // Then a token beside 5 others: 4 + 6 ms, and 20 ms for which nobody in the step has asked.
  account.add_step(step(55, {.decode_rows = 6}, 6, 20), 1, true);
  const TimeShares& then = account.after_first_token();
  EXPECT_EQ(then[TimePart::kDecode], milliseconds(5));
  EXPECT_EQ(then[TimePart::kBatch], milliseconds(5));
  EXPECT_EQ(then[TimePart::kMachine], milliseconds(20));
  EXPECT_EQ(then.largest(), TimePart::kMachine);
  EXPECT_EQ(account.answer_use(), milliseconds(5)) << "a sixth of it";
}

TEST(TimeAccount, WaitingAfterTheStartIsOthersPromptsOrPreemption) {
  TimeAccount account(kStart);
  account.add_step(step(0, {.prompt_rows = 10}, 1), 10, true);  // to 9 ms
  account.add_step(step(12, {.decode_rows = 1}, 1, 0, 3), 1, true);
  EXPECT_EQ(account.after_first_token()[TimePart::kDecode], milliseconds(3 + 5)) << "between two steps: its own";
  account.add_step(step(117, {.decode_rows = 1}, 1, 0, 40), 1, true);
  EXPECT_EQ(account.after_first_token()[TimePart::kOtherPrompts], milliseconds(100)) << "steps without it";
  account.preempt();
  account.add_step(step(322, {.prompt_rows = 12}, 1, 0, 50), 12, true);
  EXPECT_EQ(account.after_first_token()[TimePart::kPreemption], milliseconds(200 + 10)) << "and what it lost";
  EXPECT_EQ(account.after_first_token()[TimePart::kDecode], milliseconds(8 + 5));
}

TEST(TimeAccount, UsesOfAllAddUpToTheStep) {
  const StepWork work{.decode_rows = 2, .prompt_rows = 16};
  const StepAccount shared = step(0, work, 3, 7);
  std::vector<TimeAccount> accounts(3, TimeAccount(kStart));
  Duration sum{};
  for (size_t i = 0; i < accounts.size(); ++i) {
    accounts[i].add_step(shared, i == 0 ? 16 : 1, i > 0);
    sum += accounts[i].prompt_use() + accounts[i].answer_use();
  }
  EXPECT_NEAR(pelton::milliseconds(sum), pelton::milliseconds(shared.end - shared.begin), 1e-3);
}

TEST(TimeAccount, AForkLeavesThePromptToTheFirst) {
  TimeAccount account(kStart);
  account.add_step(step(5, {.prompt_rows = 10}, 1), 10, true);
  const TimeAccount child = account.fork();
  EXPECT_EQ(child.prompt_use(), Duration(0));
  EXPECT_EQ(child.until_first_token()[TimePart::kQueue], milliseconds(5));
}

TEST(TimeAccount, WithoutKnowledgeOfStepsAllIsItsOwn) {
  TimeAccount account(kStart);
  StepAccount unknown = step(0, {.decode_rows = 3}, 3);
  unknown.times = {};
  account.add_step(unknown, 1, true);
  EXPECT_EQ(account.until_first_token()[TimePart::kPrompt], unknown.end - unknown.begin);
  EXPECT_EQ(account.until_first_token()[TimePart::kMachine], Duration(0));
}

}  // namespace
}  // namespace pelton
