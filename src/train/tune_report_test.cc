#include "train/tune_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton {
namespace {

size_t count_of(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

json::object manifest() {
  return {{"model", {{"name", "a <model>"}}},
          {"recipe", {{"objective", "dpo"}, {"method", "lora"}, {"steps", nullptr}, {"rank", 8}}}};
}

TEST(TuneReport, DrawsWhatTheLogHas) {
  std::string log;
  for (int step = 1; step <= 4; ++step) {
    log += fmt::format(R"({{"step":{},"loss":{},"grad_norm":1,"learning_rate":0.1,"tokens_per_second":5,"margin":1}})",
                       step, 4.0 / step) +
           "\n";
    if (step % 2 == 0) log += fmt::format(R"({{"step":{},"eval_loss":2.5}})", step) + "\n";
  }
  const std::string page = tune_report(log, manifest());
  EXPECT_THAT(page, testing::HasSubstr("Finetuning of a &lt;model&gt;"));
  EXPECT_THAT(page, testing::HasSubstr("4 steps, the loss from 4.0000 to 1.0000"));
  EXPECT_EQ(count_of(page, "<svg"), 5U) << "of accuracy the log has none";
  EXPECT_THAT(page, testing::HasSubstr("evaluation"));
  EXPECT_THAT(page, testing::HasSubstr("<td>rank</td><td>8</td>"));
  EXPECT_EQ(page.find("<td>steps</td>"), std::string::npos) << "not said";
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(TuneReport, ShowsSampleAnswers) {
  const std::string page =
      tune_report(R"({"step":5,"samples":[{"prompt":"Who <are> you?","answer":"A duck."}]})", manifest());
  EXPECT_THAT(page, testing::HasSubstr("Who &lt;are&gt; you?</td><td>5</td><td>A duck."));
}

TEST(TuneReport, LongRunsStaySmall) {
  std::string log;
  for (int step = 1; step <= 20'000; ++step) {
    log +=
        fmt::format(R"({{"step":{},"loss":2,"grad_norm":1,"learning_rate":0.1,"tokens_per_second":5}})", step) + "\n";
  }
  EXPECT_LT(tune_report(log, manifest()).size(), 500'000U);
}

TEST(TuneReport, AnEmptyLogHasEmptyAxes) { EXPECT_EQ(count_of(tune_report("", manifest()), "<svg"), 4U); }

}  // namespace
}  // namespace pelton
