#include "server/metrics/slow_answers.h"

#include <gtest/gtest.h>

#include <chrono>

namespace pelton {
namespace {

TimeShares shares(Duration queue, Duration batch) {
  TimeShares shares;
  shares[TimePart::kQueue] = queue;
  shares[TimePart::kBatch] = batch;
  return shares;
}

TEST(SlowAnswers, BeyondWhatWasPromised) {
  SlowAnswers slow(ServiceLevel{.ttft = std::chrono::milliseconds(500), .tpot = std::chrono::milliseconds(60)});
  EXPECT_FALSE(slow.judge_first_token(0.5, shares({}, {})));
  const auto first =
      slow.judge_first_token(0.9, shares(std::chrono::milliseconds(700), std::chrono::milliseconds(200)));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->cause, "queue");
  EXPECT_EQ(first->limit_s, 0.5);
  EXPECT_TRUE(first->was_promised);
  EXPECT_EQ(slow.judge_decode(0.061, shares({}, std::chrono::seconds(1)))->cause, "batch");
  EXPECT_FALSE(slow.judge_decode(0.060, shares({}, std::chrono::seconds(1))));
}

TEST(SlowAnswers, BeyondTheTailOfWhatCameBefore) {
  SlowAnswers slow(std::nullopt);
  const TimeShares some = shares(std::chrono::seconds(1), {});
  for (int i = 1; i <= 100; ++i) EXPECT_FALSE(slow.judge_first_token(i, some)) << "too few to know a hundredth";
  EXPECT_FALSE(slow.judge_first_token(99, some));
  const auto slowness = slow.judge_first_token(99.5, some);
  ASSERT_TRUE(slowness);
  EXPECT_EQ(slowness->limit_s, 99);
  EXPECT_FALSE(slowness->was_promised);
  EXPECT_FALSE(slow.judge_decode(1000, some)) << "tokens have a tail of their own";
}

TEST(SlowAnswers, TheTailIsThatOfTheLastThousand) {
  TailEstimate tail;
  for (int i = 0; i < 2000; ++i) tail.add(i < 900 ? 1000 : 1);
  EXPECT_EQ(tail.p99(), 1);
}

TEST(SlowAnswers, AnAnswerThatLiesReady) {
  EXPECT_FALSE(SlowAnswers::judge_delivery(SlowAnswers::kDeliveryMax));
  EXPECT_EQ(SlowAnswers::judge_delivery(std::chrono::seconds(3))->cause, "connection");
}

TEST(SlowAnswers, DescribesWhatWeighs) {
  EXPECT_EQ(describe(shares(std::chrono::milliseconds(1200), std::chrono::milliseconds(300))),
            "queue 1.20 s, batch 0.30 s");
  EXPECT_EQ(describe(shares(std::chrono::seconds(10), std::chrono::milliseconds(3))), "queue 10.00 s");
  EXPECT_EQ(describe({}), "");
}

}  // namespace
}  // namespace pelton
