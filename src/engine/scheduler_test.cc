#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton {
namespace {

constexpr RequestId id(uint64_t number) { return RequestId{number}; }

// "1:0+8* 2:0+4": sequence, first position, rows; a star where the rows complete its tokens.
std::string describe(const StepPlan& plan) {
  std::string text;
  for (const ScheduledRows& rows : plan.sequences) {
    if (!text.empty()) text += ' ';
    text += std::to_string(static_cast<uint64_t>(rows.id)) + ':' + std::to_string(rows.first_position) + '+' +
            std::to_string(rows.row_count) + (rows.completes_tokens ? "*" : "");
  }
  return text;
}

// Plans a step and carries it out, as if each completed sequence got a token.
std::string step(Scheduler& scheduler) {
  StepPlan plan;
  scheduler.plan(plan);
  scheduler.complete(plan);
  for (const ScheduledRows& rows : plan.sequences) {
    if (rows.completes_tokens) scheduler.append_token(rows.id);
  }
  return describe(plan);
}

TEST(Scheduler, WithoutSequencesPlansNothing) {
  Scheduler scheduler({.page_count = 4});
  EXPECT_EQ(step(scheduler), "");
}

TEST(Scheduler, CutsAPromptIntoChunks) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 4});
  scheduler.add(id(1), 19);
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+3*");
  EXPECT_EQ(step(scheduler), "1:19+1*");
}

TEST(Scheduler, DecodeRowsComeBeforePrompts) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 4});
  scheduler.add(id(1), 20);
  scheduler.add(id(2), 3);
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+4* 2:0+3*");
  scheduler.add(id(3), 30);
  scheduler.add(id(4), 2);
  EXPECT_EQ(step(scheduler), "1:20+1* 2:3+1* 3:0+6");
  EXPECT_EQ(step(scheduler), "1:21+1* 2:4+1* 3:6+6");
}

TEST(Scheduler, RunsAtMostSequenceCountMax) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 2});
  for (uint64_t i = 1; i <= 3; ++i) scheduler.add(id(i), 1);
  EXPECT_EQ(step(scheduler), "1:0+1* 2:0+1*");
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:1+1* 3:0+1*");
}

TEST(Scheduler, AdmitsInOrderAndOnlyWhatFits) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 8});
  scheduler.add(id(1), 4);
  scheduler.add(id(2), 12);  // three pages: free, but then sequence 1 could not grow
  scheduler.add(id(3), 1);   // would fit, but came later
  EXPECT_EQ(step(scheduler), "1:0+4*");
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:0+12*");
}

TEST(Scheduler, YoungestGivesUpItsPagesAndIsComputedAgain) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 2, .step_token_count_max = 64, .sequence_count_max = 8});
  scheduler.add(id(1), 2);
  scheduler.add(id(2), 2);
  EXPECT_EQ(step(scheduler), "1:0+2* 2:0+2*");
  EXPECT_EQ(step(scheduler), "1:2+1* 2:2+1*");
  EXPECT_EQ(step(scheduler), "1:3+1* 2:3+1*");
  EXPECT_EQ(scheduler.preemption_count(), 0);
  EXPECT_EQ(step(scheduler), "1:4+1*");  // needs a third page; sequence 2 has 5 tokens now and waits
  EXPECT_EQ(scheduler.preemption_count(), 1);
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.add(id(3), 1);
  EXPECT_EQ(step(scheduler), "1:5+1*");
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:0+5*");  // before sequence 3, with all its tokens
}

TEST(Scheduler, SequencesLeaveFromBothQueues) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 4, .step_token_count_max = 4, .sequence_count_max = 1});
  scheduler.add(id(1), 4);
  scheduler.add(id(2), 4);
  step(scheduler);
  scheduler.remove(id(2));
  scheduler.remove(id(1));
  EXPECT_TRUE(scheduler.is_empty());
  EXPECT_EQ(scheduler.pages_used(), 0);
}

// A window of 5 positions in pages of 4, steps of up to 8 rows: at most 12 positions, on 4 pages.
TEST(Scheduler, LayersWithAWindowGiveBackWhatLiesBehindIt) {
  Scheduler scheduler({.page_count = 16,
                       .local = WindowPages{.page_count = 4, .window = 5},
                       .page_token_count = 4,
                       .step_token_count_max = 8,
                       .sequence_count_max = 2});
  scheduler.add(id(1), 30);
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(scheduler.pages_used(), 8 + 4);
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+8");
  EXPECT_EQ(step(scheduler), "1:24+6*");
  EXPECT_EQ(scheduler.pages_used(), 8 + 3);  // positions from 20 on
  for (int i = 0; i < 3; ++i) step(scheduler);
  EXPECT_EQ(scheduler.pages_used(), 9 + 2);  // position 32 sees those from 28 on
}

TEST(Scheduler, AdmitsNobodyForWhomThereAreNoPagesOfAWindow) {
  Scheduler scheduler({.page_count = 99,
                       .local = WindowPages{.page_count = 5, .window = 5},
                       .page_token_count = 4,
                       .step_token_count_max = 8,
                       .sequence_count_max = 2});
  scheduler.add(id(1), 30);
  scheduler.add(id(2), 5);
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+8");
  EXPECT_EQ(step(scheduler), "1:24+6*");  // 2 pages of the second and one spare do not fit beside 3
  EXPECT_EQ(step(scheduler), "1:30+1* 2:0+5*");
}

TEST(Scheduler, AModelOfWindowsAloneIsNotBoundByItsPages) {
  Scheduler scheduler({.page_count = 0,
                       .local = WindowPages{.page_count = 4, .window = 5},
                       .page_token_count = 4,
                       .step_token_count_max = 8,
                       .sequence_count_max = 2});
  scheduler.add(id(1), 1000);
  for (int i = 0; i < 125; ++i) step(scheduler);
  EXPECT_EQ(step(scheduler), "1:1000+1*");
  EXPECT_LE(scheduler.pages_used(), 4);
}

TEST(SchedulerDeathTest, UnknownSequencesAreBugs) {
  Scheduler scheduler({.page_count = 1, .page_token_count = 4});
  EXPECT_DEATH(scheduler.remove(id(1)), "bug");
  EXPECT_DEATH(scheduler.add(id(1), 5), "bug");  // never fits
  scheduler.add(id(1), 4);
  EXPECT_DEATH(scheduler.add(id(1), 4), "bug");
}

// Rows of each sequence in the next step; the sequences that it completes are removed.
std::vector<int64_t> next_whole_step(Scheduler& scheduler) {
  StepPlan plan;
  scheduler.plan(plan);
  scheduler.complete(plan);
  std::vector<int64_t> rows;
  for (const ScheduledRows& sequence : plan.sequences) {
    EXPECT_TRUE(sequence.completes_tokens);
    EXPECT_EQ(sequence.first_position, 0);
    rows.push_back(sequence.row_count);
    scheduler.remove(sequence.id);
  }
  return rows;
}

TEST(Scheduler, WholeSequencesAreNeverCut) {
  Scheduler scheduler({.page_count = 16,
                       .page_token_count = 100,
                       .step_token_count_max = 10,
                       .sequence_count_max = 3,
                       .keeps_sequences_whole = true});
  uint64_t id = 0;
  for (const int64_t token_count : {4, 6, 1, 5, 30, 2, 2, 2, 2}) scheduler.add(RequestId{++id}, token_count);
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{1, 5})) << "30 does not fit, and nobody overtakes it";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{30})) << "longer than the budget: alone";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{2, 2, 2})) << "three at once";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{2}));
  EXPECT_TRUE(scheduler.is_empty());
}

}  // namespace
}  // namespace pelton
