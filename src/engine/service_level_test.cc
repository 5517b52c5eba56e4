#include "engine/service_level.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace pelton {
namespace {

TEST(ServiceLevel, IsRead) {
  const ServiceLevel level = parse_service_level("tpot=62.5ms,ttft=1.5s");
  EXPECT_EQ(level.ttft, std::chrono::milliseconds(1500));
  EXPECT_EQ(level.tpot, std::chrono::microseconds(62'500));
  for (const char* bad : {"", "ttft=1s", "ttft=1s,", "ttft=1s,tpot=5", "ttft=1s,tpot=0ms", "ttft=1s,ttft=2s",
                          "ttft=1s,tpot=1ms,tpot=2ms", "ttft=nanms,tpot=1ms", "ttft=1s;tpot=1ms", "ttft=1s,tpot=2h"}) {
    EXPECT_THROW(parse_service_level(bad), Error) << bad;
  }
}

TEST(ServiceLevel, SaysWhatFitsIntoATokensTime) {
  const ServiceLevel level{.ttft = std::chrono::seconds(1), .tpot = std::chrono::milliseconds(50)};
  const StepTimes times{.fixed_ms = 10, .decode_row_ms = 1, .prompt_row_ms = 0.5};
  EXPECT_EQ(decode_rows_max(level, times), 32);  // 10 + 32 + 16 / 2
  EXPECT_EQ(prompt_rows_max(level, times, 20, 512), 40);
  EXPECT_EQ(prompt_rows_max(level, times, 0, 512), 512);
  EXPECT_EQ(prompt_rows_max(level, times, 1, 30), 30);
  EXPECT_EQ(prompt_rows_max(level, times, 60, 512), kPromptRowsMin);
  EXPECT_EQ(decode_rows_max(level, {.fixed_ms = 60}), 1);
  // Three chunks beside 20 decode rows.
  EXPECT_EQ(time_to_compute(times, 100, 40, 20), std::chrono::milliseconds(3 * 30 + 50));
  EXPECT_EQ(time_to_compute(times, 0, 40, 20), Duration::zero());
}

TEST(StepTimeEstimator, FindsTheLine) {
  const StepTimes truth{.fixed_ms = 2.4, .decode_row_ms = 0.66, .prompt_row_ms = 0.41};
  StepTimeEstimator estimator({.fixed_ms = 50, .decode_row_ms = 50, .prompt_row_ms = 50});
  EXPECT_NEAR(estimator.times().prompt_row_ms, 50, 1e-6);
  Rng rng(1);
  for (int i = 0; i < 400; ++i) {
    const StepWork work{.decode_rows = static_cast<int64_t>(rng.next_below(32)),
                        .prompt_rows = static_cast<int64_t>(rng.next_below(200))};
    estimator.observe(work, truth.estimate_ms(work) * (1 + 0.05 * static_cast<double>(rng.next_symmetric())));
  }
  const StepTimes found = estimator.times();
  EXPECT_NEAR(found.fixed_ms, truth.fixed_ms, 0.8);  // of steps that take 50 ms on average
  EXPECT_NEAR(found.decode_row_ms, truth.decode_row_ms, 0.04);
  EXPECT_NEAR(found.prompt_row_ms, truth.prompt_row_ms, 0.01);
}

// What steps that are all alike leave open is split as the prior says, and their own time is right.
TEST(StepTimeEstimator, StepsThatAreAlikeAreStillRight) {
  StepTimeEstimator estimator({.fixed_ms = 1, .decode_row_ms = 1, .prompt_row_ms = 1});
  for (int i = 0; i < 100; ++i) estimator.observe({.decode_rows = 4}, 30);
  EXPECT_NEAR(estimator.times().estimate_ms({.decode_rows = 4}), 30, 0.01);
  EXPECT_NEAR(estimator.times().prompt_row_ms, 1, 1e-9);
}

}  // namespace
}  // namespace pelton
