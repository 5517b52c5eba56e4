#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton {
namespace {

constexpr SequenceId id(uint64_t number) { return SequenceId{number}; }

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
  scheduler.add({.id = id(1), .token_count = 19});
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+3*");
  EXPECT_EQ(step(scheduler), "1:19+1*");
}

TEST(Scheduler, DecodeRowsComeBeforePrompts) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 4});
  scheduler.add({.id = id(1), .token_count = 20});
  scheduler.add({.id = id(2), .token_count = 3});
  EXPECT_EQ(step(scheduler), "1:0+8");
  EXPECT_EQ(step(scheduler), "1:8+8");
  EXPECT_EQ(step(scheduler), "1:16+4* 2:0+3*");
  scheduler.add({.id = id(3), .token_count = 30});
  scheduler.add({.id = id(4), .token_count = 2});
  EXPECT_EQ(step(scheduler), "1:20+1* 2:3+1* 3:0+6");
  EXPECT_EQ(step(scheduler), "1:21+1* 2:4+1* 3:6+6");
}

TEST(Scheduler, RunsAtMostSequenceCountMax) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 2});
  for (uint64_t i = 1; i <= 3; ++i) scheduler.add({.id = id(i), .token_count = 1});
  EXPECT_EQ(step(scheduler), "1:0+1* 2:0+1*");
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:1+1* 3:0+1*");
}

TEST(Scheduler, AdmitsInOrderAndOnlyWhatFits) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 8});
  scheduler.add({.id = id(1), .token_count = 4});
  scheduler.add({.id = id(2), .token_count = 12});  // three pages: free, but then sequence 1 could not grow
  scheduler.add({.id = id(3), .token_count = 1});   // would fit, but came later
  EXPECT_EQ(step(scheduler), "1:0+4*");
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:0+12*");
}

TEST(Scheduler, YoungestGivesUpItsPagesAndIsComputedAgain) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 2, .step_token_count_max = 64, .sequence_count_max = 8});
  scheduler.add({.id = id(1), .token_count = 2});
  scheduler.add({.id = id(2), .token_count = 2});
  EXPECT_EQ(step(scheduler), "1:0+2* 2:0+2*");
  EXPECT_EQ(step(scheduler), "1:2+1* 2:2+1*");
  EXPECT_EQ(step(scheduler), "1:3+1* 2:3+1*");
  EXPECT_EQ(scheduler.preemption_count(), 0);
  EXPECT_EQ(step(scheduler), "1:4+1*");  // needs a third page; sequence 2 has 5 tokens now and waits
  EXPECT_EQ(scheduler.preemption_count(), 1);
  EXPECT_EQ(scheduler.waiting_count(), 1);
  scheduler.add({.id = id(3), .token_count = 1});
  EXPECT_EQ(step(scheduler), "1:5+1*");
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:0+5*");  // before sequence 3, with all its tokens
}

TEST(Scheduler, SequencesLeaveFromBothQueues) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 4, .step_token_count_max = 4, .sequence_count_max = 1});
  scheduler.add({.id = id(1), .token_count = 4});
  scheduler.add({.id = id(2), .token_count = 4});
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
  scheduler.add({.id = id(1), .token_count = 30});
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
  scheduler.add({.id = id(1), .token_count = 30});
  scheduler.add({.id = id(2), .token_count = 5});
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
  scheduler.add({.id = id(1), .token_count = 1000});
  for (int i = 0; i < 125; ++i) step(scheduler);
  EXPECT_EQ(step(scheduler), "1:1000+1*");
  EXPECT_LE(scheduler.pages_used(), 4);
}

// --- Prefixes

// Pages that are named by what they hold: pages of equal numbers, from the first on, are equal prefixes.
std::vector<PrefixHash> prefixes(const std::vector<uint64_t>& pages) {
  std::vector<PrefixHash> hashes;
  uint64_t name = 0;
  for (const uint64_t page : pages) hashes.push_back({name = name * 1000 + page, 0});
  return hashes;
}

void add(Scheduler& scheduler, uint64_t number, int64_t token_count, const std::vector<PrefixHash>& names) {
  scheduler.add({.id = id(number), .token_count = token_count, .prefixes = names});
}

TEST(Scheduler, WhatIsKeptIsNotComputedAgain) {
  Scheduler scheduler({.page_count = 16, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 8});
  add(scheduler, 1, 13, prefixes({1, 2, 3}));
  EXPECT_EQ(step(scheduler), "1:0+13*");
  add(scheduler, 2, 10, prefixes({1, 2}));
  EXPECT_EQ(step(scheduler), "1:13+1* 2:8+2*") << "beside the one that made it";
  EXPECT_EQ(scheduler.pages_used(), 5) << "two pages are shared";
  scheduler.remove(id(1));
  scheduler.remove(id(2));
  EXPECT_EQ(scheduler.pages_used(), 0);
  EXPECT_EQ(scheduler.pages_kept(), 3);
  add(scheduler, 3, 12, prefixes({1, 2, 3}));
  EXPECT_EQ(step(scheduler), "3:8+4*") << "one token must be computed";
  add(scheduler, 4, 12, prefixes({1, 7, 3}));
  EXPECT_EQ(step(scheduler), "3:12+1* 4:4+8*");
  EXPECT_EQ(scheduler.admitted_token_count(), 13 + 10 + 12 + 12);
  EXPECT_EQ(scheduler.cached_token_count(), 8 + 8 + 4);
}

TEST(Scheduler, WhatIsNeededIsNotKept) {
  Scheduler scheduler({.page_count = 4, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 8});
  add(scheduler, 1, 13, prefixes({1, 2, 3}));
  step(scheduler);
  scheduler.remove(id(1));
  add(scheduler, 2, 8, prefixes({5, 6}));  // one page is empty, and page 3 of the first prefix was its end
  EXPECT_EQ(step(scheduler), "2:0+8*");
  scheduler.remove(id(2));
  add(scheduler, 3, 13, prefixes({1, 2, 3}));
  EXPECT_EQ(step(scheduler), "3:8+5*");
}

// A window of 5 positions in pages of 4: the rows from position 16 on see those from 12 on, on page 3.
TEST(Scheduler, AHitNeedsOnlyTheWindowsPagesInLayersWithOne) {
  const SchedulerOptions options{.page_count = 16,
                                 .local = WindowPages{.page_count = 4, .window = 5},
                                 .page_token_count = 4,
                                 .step_token_count_max = 8,
                                 .sequence_count_max = 2};
  Scheduler scheduler(options);
  add(scheduler, 1, 19, prefixes({1, 2, 3, 4}));
  for (int i = 0; i < 3; ++i) step(scheduler);
  scheduler.remove(id(1));
  add(scheduler, 2, 19, prefixes({1, 2, 3, 4}));
  EXPECT_EQ(step(scheduler), "2:16+3*");
  scheduler.remove(id(2));
  add(scheduler, 9, 16, prefixes({9, 9, 9, 9}));
  for (int i = 0; i < 2; ++i) step(scheduler);
  scheduler.remove(id(9));
  EXPECT_GT(scheduler.pages_kept(), 8) << "of the first, only the other layers' pages are still there";
  add(scheduler, 3, 9, prefixes({1, 2}));
  EXPECT_EQ(step(scheduler), "3:0+8");
}

TEST(Scheduler, WaitsForWhoeverComputesTheSame) {
  Scheduler scheduler({.page_count = 64, .page_token_count = 4, .step_token_count_max = 18, .sequence_count_max = 8});
  add(scheduler, 1, 33, prefixes({1, 2, 3, 4, 5, 6, 7, 8}));
  add(scheduler, 2, 33, prefixes({1, 2, 3, 4, 5, 6, 7, 8}));
  add(scheduler, 3, 3, {});
  EXPECT_EQ(step(scheduler), "1:0+18");
  EXPECT_EQ(step(scheduler), "1:18+15* 3:0+3*") << "others pass";
  EXPECT_EQ(step(scheduler), "1:33+1* 3:3+1* 2:32+1*");
}

TEST(Scheduler, APreemptedSequenceFindsWhatIsLeftOfItsOwnPages) {
  Scheduler scheduler({.page_count = 4,
                       .page_token_count = 2,
                       .step_token_count_max = 64,
                       .sequence_count_max = 8,
                       .growth_page_count = 0});
  add(scheduler, 1, 3, prefixes({1}));
  add(scheduler, 2, 3, prefixes({2}));
  EXPECT_EQ(step(scheduler), "1:0+3* 2:0+3*");
  EXPECT_EQ(step(scheduler), "1:3+1* 2:3+1*");
  EXPECT_EQ(step(scheduler), "1:4+1*");  // into the page that was the preempted sequence's last
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:2+3*");
}

// --- Copies

TEST(Scheduler, AForkSharesWhatItDoesNotWrite) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 2});
  scheduler.add({.id = id(1), .token_count = 6});
  StepPlan plan;
  scheduler.plan(plan);
  scheduler.complete(plan);
  scheduler.fork(id(1), id(2));
  scheduler.fork(id(1), id(3));  // for which there is no place
  for (const uint64_t number : {1, 2, 3}) scheduler.append_token(id(number));
  EXPECT_EQ(scheduler.pages_used(), 2);
  EXPECT_EQ(scheduler.waiting_count(), 1);

  scheduler.plan(plan);
  EXPECT_EQ(describe(plan), "1:6+1* 2:6+1*");
  ASSERT_EQ(plan.copies.size(), 1u) << "the last one may write the page itself";
  EXPECT_EQ(plan.copies[0], (PageCopy{PageId{1}, PageId{2}}));
  EXPECT_EQ(plan.sequences[0].pages[0], plan.sequences[1].pages[0]);
  EXPECT_EQ(plan.sequences[0].pages[1], 2);
  EXPECT_EQ(plan.sequences[1].pages[1], 1);
  scheduler.complete(plan);
  scheduler.remove(id(1));
  scheduler.append_token(id(2));
  EXPECT_EQ(step(scheduler), "2:7+1* 3:0+7*");
  EXPECT_TRUE(plan.local_copies.empty());
}

// One step, in which nobody gets a token.
std::string step_alone(Scheduler& scheduler) {
  StepPlan plan;
  scheduler.plan(plan);
  scheduler.complete(plan);
  return describe(plan);
}

TEST(Scheduler, WhoGetsNoTokenRests) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 4});
  scheduler.add({.id = id(1), .token_count = 6});
  step_alone(scheduler);
  scheduler.fork(id(1), id(2));
  scheduler.append_token(id(1));
  EXPECT_EQ(step_alone(scheduler), "1:6+1*") << "2 has the pages and asks for nothing";
  EXPECT_EQ(scheduler.pages_used(), 3) << "1 writes a page of its own";
  scheduler.append_token(id(2));
  EXPECT_EQ(step_alone(scheduler), "2:6+1*");
  EXPECT_EQ(scheduler.pages_used(), 3);
  EXPECT_EQ(scheduler.preemption_count(), 0);
}

// With one place for three of a search: each comes round once, and only with a new token again.
TEST(Scheduler, WhoRestsMakesPlaceWhereNobodyElseHasRows) {
  for (const Batching batching : {Batching::kContinuous, Batching::kStatic}) {
    Scheduler scheduler({.page_count = 8,
                         .page_token_count = 4,
                         .step_token_count_max = 64,
                         .sequence_count_max = 1,
                         .batching = batching});
    scheduler.add({.id = id(1), .token_count = 4});
    step_alone(scheduler);
    scheduler.fork(id(1), id(2));
    for (const uint64_t number : {1, 2}) scheduler.append_token(id(number));
    EXPECT_EQ(step_alone(scheduler), "1:4+1*");
    EXPECT_EQ(step_alone(scheduler), "2:0+5*");
    EXPECT_EQ(scheduler.preemption_count(), 1);
    scheduler.fork(id(1), id(3));  // from what has no pages any more
    for (const uint64_t number : {1, 3}) scheduler.append_token(id(number));
    scheduler.remove(id(2));
    EXPECT_EQ(step_alone(scheduler), "3:0+6*");
    EXPECT_EQ(step_alone(scheduler), "1:0+6*");
    scheduler.remove(id(1));
    scheduler.remove(id(3));
    EXPECT_TRUE(scheduler.is_empty());
    EXPECT_EQ(scheduler.pages_used(), 0);
  }
}

// A search is as old as its request, however young its beams.
TEST(Scheduler, AForkIsAsOldAsItsParent) {
  Scheduler scheduler({.page_count = 4,
                       .page_token_count = 2,
                       .step_token_count_max = 64,
                       .sequence_count_max = 8,
                       .growth_page_count = 0});
  scheduler.add({.id = id(1), .token_count = 2});
  scheduler.add({.id = id(2), .token_count = 2});
  step_alone(scheduler);
  scheduler.fork(id(1), id(3));
  for (const uint64_t number : {1, 2, 3}) scheduler.append_token(id(number));
  EXPECT_EQ(step_alone(scheduler), "1:2+1* 3:2+1*") << "2 gave up its pages";
}

// --- Ranks, shares, batches

TEST(Scheduler, BetterPrioritiesComeFirst) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 4});
  scheduler.add({.id = id(1), .token_count = 20, .priority = Priority::kBatch});
  EXPECT_EQ(step(scheduler), "1:0+8");
  scheduler.add({.id = id(2), .token_count = 9, .priority = Priority::kNormal});
  scheduler.add({.id = id(3), .token_count = 5, .priority = Priority::kInteractive});
  EXPECT_EQ(step(scheduler), "3:0+5* 2:0+3");
  EXPECT_EQ(step(scheduler), "3:5+1* 2:3+6* 1:8+1");
}

TEST(Scheduler, PlacesAreGivenUpForABetterPriorityOnly) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 64, .sequence_count_max = 2});
  scheduler.add({.id = id(1), .token_count = 4, .priority = Priority::kNormal});
  scheduler.add({.id = id(2), .token_count = 4, .priority = Priority::kBatch});
  EXPECT_EQ(step(scheduler), "1:0+4* 2:0+4*");
  scheduler.add({.id = id(3), .token_count = 4, .priority = Priority::kBatch});
  EXPECT_EQ(step(scheduler), "1:4+1* 2:4+1*");
  scheduler.add({.id = id(4), .token_count = 4, .priority = Priority::kInteractive});
  EXPECT_EQ(step(scheduler), "1:5+1* 4:0+4*");
  EXPECT_EQ(scheduler.preemption_count(), 1);
  scheduler.remove(id(4));
  EXPECT_EQ(step(scheduler), "1:6+1* 2:0+6*") << "before the one that never ran";
}

// A stream of better requests that takes all there is: now and then a place goes to whoever has waited longest.
TEST(Scheduler, NobodyWaitsForEver) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 1});
  scheduler.add({.id = id(1), .token_count = 4, .priority = Priority::kBatch});
  StepPlan plan;
  std::vector<SequenceId> admitted;
  for (uint64_t number = 2; number < 20; ++number) {
    const TimePoint now{std::chrono::milliseconds(number)};
    scheduler.add({.id = id(number), .token_count = 4, .client = number, .time = now});
    scheduler.plan(plan, now);
    scheduler.complete(plan);
    ASSERT_EQ(plan.sequences.size(), 1u);
    admitted.push_back(plan.sequences[0].id);
    scheduler.remove(admitted.back());
  }
  EXPECT_EQ(admitted[6], id(8));
  EXPECT_EQ(admitted[7], id(1));
}

// One that got such a place is not sent away from it.
TEST(Scheduler, APlaceByAgeIsKept) {
  Scheduler scheduler({.page_count = 8, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 1});
  for (uint64_t number = 1; number <= 7; ++number) {
    scheduler.add({.id = id(number), .token_count = 4});
    step(scheduler);
    scheduler.remove(id(number));
  }
  scheduler.add({.id = id(8), .token_count = 4, .priority = Priority::kBatch});
  EXPECT_EQ(step(scheduler), "8:0+4*");
  scheduler.add({.id = id(9), .token_count = 4, .priority = Priority::kInteractive});
  EXPECT_EQ(step(scheduler), "8:4+1*");
}

// A prompt that runs gets rows, whoever comes.
TEST(Scheduler, APromptThatRunsGoesOn) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 3});
  scheduler.add({.id = id(1), .token_count = 80, .priority = Priority::kBatch});
  step(scheduler);
  StepPlan plan;
  int64_t rows_of_the_first = 0;
  for (uint64_t number = 2; number < 34; ++number) {
    const TimePoint now{std::chrono::milliseconds(number)};
    scheduler.add({.id = id(number), .token_count = 8, .time = now});
    scheduler.plan(plan, now);
    scheduler.complete(plan);
    for (const ScheduledRows& rows : plan.sequences) {
      if (rows.id == id(1)) {
        rows_of_the_first += rows.row_count;
      } else if (rows.completes_tokens) {
        scheduler.remove(rows.id);
      }
    }
  }
  EXPECT_GE(rows_of_the_first, 3 * 8);
}

// One client brings ten requests at once, another one a little later.
TEST(Scheduler, TheClientThatWasServedLeastIsNext) {
  Scheduler scheduler({.page_count = 99, .page_token_count = 4, .step_token_count_max = 8, .sequence_count_max = 2});
  for (uint64_t i = 1; i <= 10; ++i) scheduler.add({.id = id(i), .token_count = 8, .client = 7});
  EXPECT_EQ(step(scheduler), "1:0+8*");
  scheduler.add({.id = id(11), .token_count = 4, .client = 8});
  scheduler.add({.id = id(12), .token_count = 4, .client = 8});
  EXPECT_EQ(step(scheduler), "1:8+1* 11:0+4*");  // who has had nothing so far
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "11:4+1* 12:0+4*");
}

// Who asks for little has something in hand, but not for ever: a client that comes late is ahead of the other by so
// much and no more.
TEST(Scheduler, WhatAClientDidNotAskForIsKeptForAWhile) {
  constexpr int64_t kTokens = 3000;
  Scheduler scheduler({.page_count = 9999, .step_token_count_max = kTokens, .sequence_count_max = 1});
  for (uint64_t i = 1; i <= 8; ++i) scheduler.add({.id = id(i), .token_count = kTokens, .client = 7});
  std::string served;
  StepPlan plan;
  for (int i = 0; i < 7; ++i) {
    if (i == 4) {
      for (uint64_t late = 11; late <= 14; ++late) {
        scheduler.add({.id = id(late), .token_count = kTokens, .client = 8});
      }
    }
    scheduler.plan(plan);
    scheduler.complete(plan);
    served += static_cast<uint64_t>(plan.sequences.at(0).id) > 10 ? 'b' : 'a';
    scheduler.remove(plan.sequences.at(0).id);
  }
  // a has had 12,000 when b comes, which begins 4096 behind it.
  EXPECT_EQ(served, "aaaabba");
}

TEST(Scheduler, KeepsRoomForGrowthThatIsStillToCome) {
  Scheduler scheduler({.page_count = 8,
                       .page_token_count = 4,
                       .step_token_count_max = 64,
                       .sequence_count_max = 8,
                       .growth_page_count = 4});
  scheduler.add({.id = id(1), .token_count = 8, .token_count_max = 12});  // one page more
  scheduler.add({.id = id(2), .token_count = 16});                        // nobody knows
  scheduler.add({.id = id(3), .token_count = 4});
  EXPECT_EQ(step(scheduler), "1:0+8* 2:0+16*");
  EXPECT_EQ(step(scheduler), "1:8+1* 2:16+1*");
  scheduler.remove(id(2));
  EXPECT_EQ(step(scheduler), "1:9+1* 3:0+4*");
}

TEST(Scheduler, AStaticBatchIsClosed) {
  Scheduler scheduler({.page_count = 99,
                       .page_token_count = 4,
                       .step_token_count_max = 8,
                       .sequence_count_max = 2,
                       .batching = Batching::kStatic});
  for (uint64_t i = 1; i <= 3; ++i) scheduler.add({.id = id(i), .token_count = 6});
  EXPECT_EQ(step(scheduler), "1:0+6* 2:0+2");
  EXPECT_EQ(step(scheduler), "1:6+1* 2:2+4*");
  scheduler.remove(id(1));
  EXPECT_EQ(step(scheduler), "2:6+1*");
  scheduler.remove(id(2));
  EXPECT_EQ(step(scheduler), "3:0+6*");
}

TEST(Scheduler, ADynamicBatchWaitsForCompanyButNotForEver) {
  Scheduler scheduler({.page_count = 99,
                       .page_token_count = 4,
                       .step_token_count_max = 8,
                       .sequence_count_max = 2,
                       .batching = Batching::kDynamic,
                       .batch_window = std::chrono::milliseconds(50)});
  const auto at = [](int64_t ms) { return TimePoint(std::chrono::milliseconds(ms)); };
  StepPlan plan;
  scheduler.add({.id = id(1), .token_count = 2, .time = at(10)});
  scheduler.plan(plan, at(20));
  EXPECT_TRUE(plan.sequences.empty());
  EXPECT_EQ(plan.wake, at(60));
  scheduler.plan(plan, at(60));
  EXPECT_EQ(describe(plan), "1:0+2*");
  scheduler.complete(plan);
  scheduler.remove(id(1));
  for (uint64_t i = 2; i <= 4; ++i) scheduler.add({.id = id(i), .token_count = 2, .time = at(70)});
  scheduler.plan(plan, at(70));
  EXPECT_EQ(describe(plan), "2:0+2* 3:0+2*") << "full at once";
}

// --- Service levels

// Steps of 10 ms, 1 ms more for each decode row and 0.5 ms for each prompt row: beside one decode row a token's time of
// 40 ms leaves room for 58.
TEST(Scheduler, AServiceLevelDecidesOnChunksAndCompany) {
  const auto ms = [](int64_t count) { return std::chrono::milliseconds(count); };
  Scheduler scheduler({.page_count = 999,
                       .service_level = ServiceLevel{.ttft = ms(1000), .tpot = ms(40)},
                       .step_times = {.fixed_ms = 10, .decode_row_ms = 1, .prompt_row_ms = 0.5}});
  scheduler.add({.id = id(1), .token_count = 400});
  EXPECT_EQ(step(scheduler), "1:0+400*") << "nobody waits for a token";
  scheduler.add({.id = id(2), .token_count = 100});
  EXPECT_EQ(step(scheduler), "1:400+1* 2:0+58");
  scheduler.set_step_times({.fixed_ms = 30, .decode_row_ms = 1, .prompt_row_ms = 0.5});
  EXPECT_EQ(step(scheduler), "1:401+1* 2:58+18");
  scheduler.add({.id = id(3), .token_count = 5});
  EXPECT_EQ(step(scheduler), "1:402+1* 2:76+18") << "with two, a step takes as long as it may";
}

TEST(Scheduler, WhoIsLateStandsBehindWhoIsNot) {
  const auto at = [](int64_t ms) { return TimePoint(std::chrono::milliseconds(ms)); };
  Scheduler scheduler(
      {.page_count = 999,
       .sequence_count_max = 1,
       .service_level = ServiceLevel{.ttft = std::chrono::milliseconds(100), .tpot = std::chrono::milliseconds(40)},
       .step_times = {.fixed_ms = 10, .decode_row_ms = 1, .prompt_row_ms = 0.5}});
  scheduler.add({.id = id(1), .token_count = 5});
  step(scheduler);
  scheduler.add({.id = id(2), .token_count = 5, .time = at(0)});
  scheduler.add({.id = id(3), .token_count = 5, .time = at(90)});
  scheduler.remove(id(1));
  StepPlan plan;
  scheduler.plan(plan, at(95));
  EXPECT_EQ(describe(plan), "3:0+5*");
  scheduler.complete(plan);
  scheduler.remove(id(3));
  // Nobody who is in time is left.
  scheduler.plan(plan, at(120));
  EXPECT_EQ(describe(plan), "2:0+5*");
}

TEST(SchedulerDeathTest, UnknownSequencesAreBugs) {
  Scheduler scheduler({.page_count = 1, .page_token_count = 4});
  EXPECT_DEATH(scheduler.remove(id(1)), "bug");
  EXPECT_DEATH(scheduler.add({.id = id(1), .token_count = 5}), "bug");  // never fits
  scheduler.add({.id = id(1), .token_count = 4});
  EXPECT_DEATH(scheduler.add({.id = id(1), .token_count = 4}), "bug");
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
  for (const int64_t token_count : {4, 6, 1, 5, 30, 2, 2, 2, 2})
    scheduler.add({.id = SequenceId{++id}, .token_count = token_count});
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{1, 5})) << "30 does not fit, and nobody overtakes it";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{30})) << "longer than the budget: alone";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{2, 2, 2})) << "three at once";
  EXPECT_EQ(next_whole_step(scheduler), (std::vector<int64_t>{2}));
  EXPECT_TRUE(scheduler.is_empty());
}

}  // namespace
}  // namespace pelton
