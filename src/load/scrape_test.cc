#include "load/scrape.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pelton {
namespace {

constexpr const char* kText = R"(# HELP requests Requests.
# TYPE requests counter
requests{model="a}b\"c",reason="stop"} 3
requests{model="a",reason="length"} 4
running 2 1700000000000
seconds_bucket{le="0.1"} 1
seconds_bucket{le="0.5"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 2.5
seconds_count 4
)";

TEST(Scrape, SumsSeriesOfOneName) {
  const Scrape scrape = Scrape::parse(kText);
  EXPECT_EQ(scrape.value("requests"), 7);
  EXPECT_EQ(scrape.by_label("requests", "reason"), (std::map<std::string, double>{{"length", 4}, {"stop", 3}}));
  EXPECT_EQ(scrape.by_label("running", "reason"), (std::map<std::string, double>{{"", 2}}));
  EXPECT_EQ(scrape.by_label("missing", "reason").size(), 0u);
  EXPECT_EQ(scrape.value("running"), 2);
  EXPECT_EQ(scrape.value("seconds_sum"), 2.5);
  EXPECT_EQ(scrape.value("missing"), std::nullopt);
  EXPECT_EQ(scrape.buckets("seconds").size(), 3u);
}

TEST(Scrape, TheSeriesOfOneLabel) {
  const Scrape scrape = Scrape::parse("a{m=\"x\",n=\"1\"} 1\na{m=\"x\",n=\"2\"} 2\na{m=\"y\"} 4\nb 8\n");
  EXPECT_EQ(scrape.only("m", "x").value("a"), 3);
  EXPECT_EQ(scrape.only("m", "y").value("a"), 4);
  EXPECT_EQ(scrape.only("m", "y").value("b"), std::nullopt);
}

TEST(Scrape, RefusesWhatIsNoMetric) {
  for (const char* text : {"<html>", "a{b=\"c\" 1", "a one", "a{b=\"c\"}1", "a "}) {
    EXPECT_THROW(Scrape::parse(text), Error) << text;
  }
  EXPECT_EQ(Scrape::parse("").value("a"), std::nullopt);
}

// As Prometheus documents histogram_quantile: linear within the bucket.
TEST(Scrape, QuantilesOfWhatCameSince) {
  const Scrape none = Scrape::parse("");
  const Scrape then = Scrape::parse(kText);
  EXPECT_DOUBLE_EQ(quantile(none, then, "seconds", 0.5).value(), 0.1 + 0.4 * (2.0 - 1) / 2);
  EXPECT_EQ(quantile(none, then, "seconds", 0.99), std::nullopt) << "beyond the last bound";
  EXPECT_EQ(quantile(then, then, "seconds", 0.5), std::nullopt) << "nothing came";
  const Scrape now = Scrape::parse(
      "seconds_bucket{le=\"0.1\"} 9\nseconds_bucket{le=\"0.5\"} 11\n"
      "seconds_bucket{le=\"+Inf\"} 12\n");
  EXPECT_DOUBLE_EQ(quantile(then, now, "seconds", 0.5).value(), 0.05) << "eight came, all within the first bucket";
}

TEST(Scrape, ACounterThatFellBeganAnew) {
  EXPECT_EQ(growth(Scrape::parse("a 10"), Scrape::parse("a 12"), "a"), 2);
  EXPECT_EQ(growth(Scrape::parse("a 10"), Scrape::parse("a 3"), "a"), 3);
  EXPECT_EQ(growth(Scrape::parse(""), Scrape::parse("a 3"), "a"), 3);
}

}  // namespace
}  // namespace pelton
