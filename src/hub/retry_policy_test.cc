#include "hub/retry_policy.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(RetryPolicyTest, WaitsDoubleUpToTheMaximumAndEnd) {
  RetryPolicy policy({.retries_max = 4, .first_wait = milliseconds(100), .wait_max = milliseconds(300)});
  EXPECT_EQ(policy.next_wait(), milliseconds(100));
  EXPECT_EQ(policy.next_wait(), milliseconds(200));
  EXPECT_EQ(policy.next_wait(), milliseconds(300));
  EXPECT_EQ(policy.next_wait(), milliseconds(300));
  EXPECT_EQ(policy.next_wait(), std::nullopt);
  policy.progressed();
  EXPECT_EQ(policy.next_wait(), milliseconds(100));
}

TEST(RetryPolicyTest, TheServerMayAskForMoreButNotForEver) {
  RetryPolicy policy({.retries_max = 9, .first_wait = milliseconds(100), .asked_wait_max = minutes(1)});
  EXPECT_EQ(policy.next_wait(seconds(7)), seconds(7));
  EXPECT_EQ(policy.next_wait(seconds(0)), milliseconds(200));
  EXPECT_EQ(policy.next_wait(seconds(61)), std::nullopt);
}

TEST(RetryPolicyTest, WithoutRetriesThereIsNone) {
  EXPECT_EQ(RetryPolicy({.retries_max = 0}).next_wait(), std::nullopt);
}

TEST(RetryPolicyTest, TransientStatuses) {
  for (const int status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(is_transient_status(status)) << status;
  for (const int status : {200, 206, 302, 400, 401, 403, 404, 410, 416, 501}) {
    EXPECT_FALSE(is_transient_status(status)) << status;
  }
}

TEST(RetryPolicyTest, ReadsRetryAfter) {
  EXPECT_EQ(parse_retry_after("120", 0), seconds(120));
  EXPECT_EQ(parse_retry_after("0", 0), seconds(0));
  // Sun, 06 Nov 1994 08:49:37 GMT is RFC 9110's example: 784111777 s after 1970.
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 30), seconds(30));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 30), seconds(0));
  EXPECT_GT(parse_retry_after("99999999999999999999", 0), minutes(60));
  for (const char* text : {"", "soon", "-5", "1.5", "12 s", "Sun, 06 Nov 1994 08:49:37 GMT+1"}) {
    EXPECT_EQ(parse_retry_after(text, 0), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pelton
