#include "cli/transfer_progress.h"

#include <gtest/gtest.h>

namespace pelton::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(TransferRateTest, IsOfTheLastSeconds) {
  TransferRate rate;
  const TimePoint start{};
  EXPECT_EQ(rate.bytes_per_second(), 0);
  rate.add(start, 0);
  EXPECT_EQ(rate.bytes_per_second(), 0);
  rate.add(start + seconds(1), 1000);
  EXPECT_DOUBLE_EQ(rate.bytes_per_second(), 1000);
  rate.add(start + seconds(2), 2000);
  for (int second = 3; second <= 20; ++second) rate.add(start + seconds(second), 2000 + 10 * (second - 2));
  EXPECT_DOUBLE_EQ(rate.bytes_per_second(), 10);
}

TEST(TransferRateTest, PointsTooCloseDoNotCount) {
  TransferRate rate;
  const TimePoint start{};
  rate.add(start, 0);
  rate.add(start + milliseconds(1), 1'000'000);
  EXPECT_EQ(rate.bytes_per_second(), 0);
}

TEST(TransferProgressTest, Seconds) {
  EXPECT_EQ(format_seconds(0), "0 s");
  EXPECT_EQ(format_seconds(0.2), "1 s");
  EXPECT_EQ(format_seconds(59.5), "1 min 0 s");
  EXPECT_EQ(format_seconds(184), "3 min 4 s");
  EXPECT_EQ(format_seconds(7500), "2 h 5 min");
  EXPECT_EQ(format_seconds(1e300), "1000 h 0 min");
}

TEST(TransferProgressTest, DescribesATransfer) {
  EXPECT_EQ(describe_transfer(512 << 20, 1 << 30, 64 << 20), "512.0 MiB of 1.0 GiB, 50 %, 64.0 MiB/s, 8 s left");
  EXPECT_EQ(describe_transfer(0, 1 << 30, 0), "0 B of 1.0 GiB, 0 %");
  EXPECT_EQ(describe_transfer((1 << 30) - 1, 1 << 30, 0), "1024.0 MiB of 1.0 GiB, 99 %");
  EXPECT_EQ(describe_transfer(100, 100, 5), "100 B of 100 B, 100 %");
  EXPECT_EQ(describe_transfer(0, 0, 0), "0 B of 0 B, 100 %");
}

}  // namespace
}  // namespace pelton::cli
