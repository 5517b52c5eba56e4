#include "train/pilot/pilot_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Difference difference_of(double value, double low, double high) {
  return {.by = {value, low, high}, .share_below = value < 0 ? 1.0 : 0.0};
}

// A run whose answers cost so much a token; of the ten records so many are said.
AnswerScores answers(double loss, int greedy_count) {
  AnswerScores scores;
  for (int i = 0; i < 10; ++i) {
    scores.push_back({.nll = 4 * (loss + 0.01 * i), .token_count = 4, .is_greedy = i < greedy_count});
  }
  return scores;
}

// Losses of three sizes, two seeds each, of each set.
PilotReport report_of(double base, const std::vector<std::vector<double>>& losses_by_set) {
  PilotReport report{.model = "a <model>", .recipe = {{"rank", 8}, {"steps", nullptr}}};
  report.scores = {.sizes = {10, 20, 40}, .seeds = {0, 1}, .base = answers(base, 2)};
  for (const std::vector<double>& losses : losses_by_set) {
    PilotSetScores& set = report.scores.sets.emplace_back();
    set.name = report.scores.sets.size() == 1 ? "first" : "second";
    set.record_count = 50;
    for (const double loss : losses) set.runs.push_back({answers(loss, 6), answers(loss + 0.02, 6)});
  }
  report.findings = find_pilot_results(report.scores, {.draw_count = 200});
  return report;
}

TEST(PilotVerdict, IsWhatTheIntervalsTell) {
  const Difference better = difference_of(-0.3, -0.4, -0.2), worse = difference_of(0.3, 0.2, 0.4),
                   none = difference_of(-0.1, -0.4, 0.2);
  EXPECT_EQ(pilot_verdict({better, {}}), PilotVerdict::kBetter);
  EXPECT_EQ(pilot_verdict({worse, {}}), PilotVerdict::kWorse);
  EXPECT_EQ(pilot_verdict({none, {}}), PilotVerdict::kUnclear);
  // More exact answers are better.
  EXPECT_EQ(pilot_verdict({none, worse}), PilotVerdict::kBetter);
  EXPECT_EQ(pilot_verdict({better, none}), PilotVerdict::kBetter);
  EXPECT_EQ(pilot_verdict({better, better}), PilotVerdict::kUnclear);
  EXPECT_EQ(pilot_verdict({none, none}), PilotVerdict::kUnclear);
}

TEST(PilotReport, SaysThatItIsWorthIt) {
  const std::vector<std::string> said = pilot_sentences(report_of(2, {{1.5, 1.25, 1.125}}));
  EXPECT_THAT(said, Contains(HasSubstr("first, 40 examples")));
  EXPECT_THAT(said, Contains(HasSubstr("less than without finetuning (95 % interval of the difference: -0.8")));
  EXPECT_THAT(said, Contains(HasSubstr("40.0 points more than without finetuning")));
  EXPECT_THAT(said, Contains(HasSubstr("finetuning seems worth it")));
  EXPECT_THAT(said, Contains(HasSubstr("with 80 examples (2 times as many)")));
  EXPECT_THAT(said, Contains(HasSubstr("with 400 examples (10 times as many)")));
  EXPECT_THAT(said, Contains(HasSubstr("with 50 examples (1.25 times as many)")));
  EXPECT_THAT(said, Contains(HasSubstr("The eval has 10 records")));
  EXPECT_THAT(said, Contains(HasSubstr("There are 2 seeds")));
  EXPECT_THAT(said, Not(Contains(HasSubstr("fits poorly"))));
}

TEST(PilotReport, SaysWhatExamplesBring) {
  PilotReport report = report_of(2, {{1.5, 1.25, 1.125}});
  report.scores.shot_count = 5;
  report.scores.sets[0].few_shot = {answers(0.5, 9), answers(0.55, 9)};
  report.scores.sets[0].mean_shot_count = 4.2;
  report.scores.sets[0].leaked_count = 3;
  report.scores.sets[0].nearly_leaked_count = 2;
  report.findings = find_pilot_results(report.scores, {.draw_count = 200});
  const std::vector<std::string> said = pilot_sentences(report);
  EXPECT_THAT(said, Contains(HasSubstr("with 5 of its examples before each question (4.2 on the average, as many as")));
  EXPECT_THAT(said, Contains(HasSubstr("less than without examples (95 % interval")));
  EXPECT_THAT(said, Contains(HasSubstr("70.0 points more than without examples")));
  EXPECT_THAT(said, Contains(HasSubstr("does not seem worth it with this recipe and these data: the better of the "
                                       "prompted model with examples and without is better (loss +0.")));
  EXPECT_THAT(to_text(report), testing::AllOf(HasSubstr("without, 5 of first shown"),
                                              HasSubstr("without 3 that the eval has too, 2 of them nearly")));
  const json::object first = to_json(report).at("data").as_array()[0].as_object();
  EXPECT_EQ(first.at("verdict"), "worse");
  EXPECT_EQ(first.at("nearly_leaked"), 2);
  EXPECT_EQ(first.at("few_shot").at("shots"), 5);
  EXPECT_EQ(first.at("few_shot").at("loss_by_seed").as_array().size(), 2U);
  EXPECT_GT(first.at("from_best_baseline").at("loss").at("low").as_double(), 0);
  EXPECT_LT(first.at("from_base").at("loss").at("high").as_double(), 0);
  EXPECT_THAT(to_html(report), testing::AllOf(HasSubstr("5 shown"), HasSubstr("5 of first shown")));
  EXPECT_EQ(to_json(report_of(2, {{1.5, 1.25, 1.125}})).at("data").as_array()[0].at("few_shot"), nullptr);
}

TEST(PilotReport, SaysWhatItCannotTell) {
  const std::vector<std::string> worse = pilot_sentences(report_of(1, {{1.5, 1.7, 1.9}}));
  EXPECT_THAT(worse, Contains(HasSubstr("the loss does not fall as the data grow from 10 to 40")));
  EXPECT_THAT(worse, Contains(HasSubstr("contradict each other")));  // more exact answers, at a higher loss
  const std::vector<std::string> poor = pilot_sentences(report_of(2, {{1.5, 1.3, 1.48}}));
  EXPECT_THAT(poor, Contains(HasSubstr("fits poorly")));
}

TEST(PilotReport, ComparesSets) {
  const PilotReport report = report_of(2, {{1.5, 1.25, 1.125}, {1.4, 1.15, 1.0}});
  EXPECT_THAT(pilot_sentences(report), Contains(HasSubstr("second teaches better")));
  const json::object object = to_json(report);
  const json::object& second = object.at("data").as_array()[1].as_object();
  EXPECT_EQ(second.at("from_first").as_array().size(), 3U);
  EXPECT_EQ(second.at("verdict"), "better");
  EXPECT_FALSE(object.at("data").as_array()[0].as_object().contains("from_first"));
  EXPECT_EQ(second.at("curve").at("predictions").as_array().size(), 3U);
  EXPECT_EQ(pilot_verdict_name(PilotVerdict::kUnclear), "unclear");
  EXPECT_THAT(to_text(report), testing::AllOf(HasSubstr("without finetuning"), HasSubstr("loss, predicted"),
                                              HasSubstr("second"), HasSubstr("40 tokens")));
}

TEST(PilotReport, IsAPageThatNeedsNothingElse) {
  const std::string page = to_html(report_of(2, {{1.5, 1.25, 1.125}, {1.4, 1.15, 1.0}}));
  EXPECT_THAT(page, HasSubstr("a &lt;model&gt;"));
  EXPECT_THAT(page, testing::AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<link")), Not(HasSubstr("nan"))));
  EXPECT_THAT(page, testing::AllOf(HasSubstr("loss(n) ="), HasSubstr("fitted curve"), HasSubstr("said exactly")));
}

}  // namespace
}  // namespace pelton
