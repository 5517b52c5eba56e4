#include "train/pilot/pilot_findings.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace pelton {
namespace {

constexpr int64_t kTokens = 10;

// Answers that cost `loss` a token on the average, each record and each run otherwise by up to `spread`; records are
// hard or easy for every model alike.
AnswerScores answers(int64_t count, double loss, double spread, uint64_t seed) {
  Rng hardness(1);
  Rng rng(seed);
  AnswerScores scores;
  for (int64_t i = 0; i < count; ++i) {
    const double of_record = 0.5 * static_cast<double>(hardness.next_symmetric());
    const double of_run = spread * static_cast<double>(rng.next_symmetric());
    scores.push_back({.nll = kTokens * (loss + of_record + of_run), .token_count = kTokens, .is_greedy = i % 4 == 0});
  }
  return scores;
}

// One set, whose losses follow a law.
PilotSetScores set_of(const std::vector<int64_t>& sizes, const PowerLaw& law, uint64_t seed) {
  PilotSetScores set{.name = "a", .record_count = 400};
  for (const int64_t size : sizes) {
    std::vector<AnswerScores>& by_seed = set.runs.emplace_back();
    for (int i = 0; i < 3; ++i) by_seed.push_back(answers(60, law.at(static_cast<double>(size)), 0.1, ++seed));
  }
  return set;
}

PilotScores scores_of(const PowerLaw& law, double base_loss) {
  PilotScores scores{.sizes = {12, 25, 50, 100}, .seeds = {0, 1, 2}, .base = answers(60, base_loss, 0, 99)};
  scores.sets.push_back(set_of(scores.sizes, law, 100));
  return scores;
}

TEST(PilotFindings, SayWhatWasMeasured) {
  PilotScores scores{.sizes = {8}, .seeds = {0, 1}};
  scores.base = {{.nll = 10, .token_count = 5, .is_greedy = true}, {.nll = 20, .token_count = 5}};
  PilotSetScores& set = scores.sets.emplace_back();
  set.runs = {{{{5, 5, true}, {10, 5, true}}, {{7, 5, false}, {13, 5, true}}}};
  const PilotFindings findings = find_pilot_results(scores, {.draw_count = 200});
  EXPECT_EQ(findings.record_count, 2);
  EXPECT_EQ(findings.token_count, 10);
  EXPECT_EQ(findings.short_count, 2);
  EXPECT_DOUBLE_EQ(findings.base_loss.value, 3);
  EXPECT_DOUBLE_EQ(findings.base_loss.low, 2);
  EXPECT_DOUBLE_EQ(findings.base_loss.high, 4);
  ASSERT_TRUE(findings.base_exact);
  EXPECT_DOUBLE_EQ(findings.base_exact->value, 0.5);
  const PilotSizeFindings& size = findings.sets[0].sizes[0];
  EXPECT_EQ(size.seed_losses, (std::vector<double>{1.5, 2}));
  EXPECT_DOUBLE_EQ(size.loss.value, 1.75);
  ASSERT_TRUE(size.exact);
  EXPECT_DOUBLE_EQ(size.exact->value, 0.75);
  EXPECT_FALSE(findings.sets[0].curve);
}

TEST(PilotFindings, TellThatFinetuningHelps) {
  const PilotFindings findings = find_pilot_results(scores_of({0.8, 3, 0.5}, 2), {});
  const Difference& loss = findings.sets[0].from_base.loss;
  EXPECT_NEAR(loss.by.value, 1.1 - 2, 0.03);
  EXPECT_TRUE(loss.is_below());
  EXPECT_LT(loss.by.low, loss.by.value);
  EXPECT_GT(loss.by.high, loss.by.value);
  EXPECT_EQ(loss.share_below, 1);
  // As hard as the records are, they are that for both: the difference is far surer than either.
  EXPECT_LT(loss.by.high - loss.by.low, 0.5 * (findings.base_loss.high - findings.base_loss.low));
}

TEST(PilotFindings, TellWhatMoreDataWouldBring) {
  const PowerLaw law{0.8, 3, 0.5};
  const PilotFindings findings = find_pilot_results(scores_of(law, 2), {});
  ASSERT_TRUE(findings.sets[0].curve);
  const PilotCurve& curve = *findings.sets[0].curve;
  EXPECT_GT(curve.fit.explained, 0.95);
  ASSERT_EQ(curve.predictions.size(), 3U);
  EXPECT_EQ(curve.predictions[0].size, 200);
  EXPECT_EQ(curve.predictions[1].size, 400);  // all that there are
  EXPECT_EQ(curve.predictions[2].size, 1000);
  for (const PilotPrediction& prediction : curve.predictions) {
    const auto size = static_cast<double>(prediction.size);
    EXPECT_LE(prediction.gain.low, law.at(100) - law.at(size));
    EXPECT_GE(prediction.gain.high, law.at(100) - law.at(size));
    EXPECT_GE(prediction.gain.low, 0);
    EXPECT_LE(prediction.loss.low, prediction.loss.value);
    EXPECT_GE(prediction.loss.high, prediction.loss.value);
  }
  EXPECT_EQ(curve.band.front().size, 12);
  EXPECT_EQ(curve.band.back().size, 200);
}

TEST(PilotFindings, TellThatNothingCanBeTold) {
  // As good as the base, and flat.
  const PilotFindings findings = find_pilot_results(scores_of({2, 0, 1}, 2), {});
  const Difference& loss = findings.sets[0].from_base.loss;
  EXPECT_FALSE(loss.is_below());
  EXPECT_FALSE(loss.is_above());
  EXPECT_GT(loss.share_below, 0);
  EXPECT_LT(loss.share_below, 1);
  ASSERT_TRUE(findings.sets[0].curve);
  EXPECT_NEAR(findings.sets[0].curve->predictions.front().gain.low, 0, 1e-9);
  EXPECT_LT(findings.sets[0].curve->fit.explained, 0.5);
}

TEST(PilotFindings, CompareWithTheBetterBaseline) {
  PilotScores scores = scores_of({0.8, 3, 0.5}, 2);  // 1.1 at the largest size
  const auto shown = [&](double loss) {
    scores.shot_count = 5;
    scores.sets[0].few_shot.clear();
    for (uint64_t seed = 0; seed < 3; ++seed) scores.sets[0].few_shot.push_back(answers(60, loss, 0.1, 300 + seed));
    return find_pilot_results(scores, {}).sets[0];
  };
  const PilotSetFindings better = shown(1);
  ASSERT_TRUE(better.few_shot);
  EXPECT_EQ(better.few_shot->level.size, 5);
  EXPECT_EQ(better.few_shot->level.seed_losses.size(), 3U);
  EXPECT_NEAR(better.few_shot->from_base.loss.by.value, 1 - 2, 0.03);
  EXPECT_TRUE(better.few_shot->from_base.loss.is_below());
  EXPECT_TRUE(better.from_base.loss.is_below());
  EXPECT_NEAR(better.from_best_baseline.loss.by.value, 0.1, 0.03);
  EXPECT_TRUE(better.from_best_baseline.loss.is_above());
  const PilotSetFindings worse = shown(3);
  EXPECT_EQ(worse.from_best_baseline.loss.by.value, worse.from_base.loss.by.value);
  EXPECT_EQ(worse.from_best_baseline.loss.by.low, worse.from_base.loss.by.low);
  // As good as the other: the better one of each draw is better than either is on the average.
  scores.sets[0].few_shot.assign(3, scores.base);
  for (AnswerScores& run : scores.sets[0].few_shot) {
    for (size_t i = 0; i < run.size(); ++i) run[i].nll += i % 2 == 0 ? 5 : -5;
  }
  const PilotSetFindings alike = find_pilot_results(scores, {}).sets[0];
  EXPECT_NEAR(alike.few_shot->from_base.loss.by.value, 0, 1e-9);
  EXPECT_GT(alike.from_best_baseline.loss.by.high, alike.from_base.loss.by.high);
}

TEST(PilotFindings, CompareSetsPairByPair) {
  PilotScores scores = scores_of({0.8, 3, 0.5}, 2);
  scores.sets.push_back(set_of(scores.sizes, {1, 3, 0.5}, 200));
  const PilotFindings findings = find_pilot_results(scores, {});
  EXPECT_TRUE(findings.sets[0].from_first_set.empty());
  ASSERT_EQ(findings.sets[1].from_first_set.size(), 4U);
  for (const PilotDifference& difference : findings.sets[1].from_first_set) {
    EXPECT_NEAR(difference.loss.by.value, 0.2, 0.05);
    EXPECT_TRUE(difference.loss.is_above());
    ASSERT_TRUE(difference.exact);
    EXPECT_EQ(difference.exact->by.value, 0);
    EXPECT_EQ(difference.exact->by.high, 0);
  }
}

TEST(PilotFindings, AreTheSameForTheSameSeed) {
  const PilotScores scores = scores_of({0.8, 3, 0.5}, 2);
  const auto low_of = [&](uint64_t seed) {
    return find_pilot_results(scores, {.draw_count = 100, .seed = seed}).sets[0].from_base.loss.by.low;
  };
  EXPECT_EQ(low_of(1), low_of(1));
  EXPECT_NE(low_of(1), low_of(2));
}

TEST(PilotFindings, WithoutShortAnswersThereAreNoExactOnes) {
  PilotScores scores = scores_of({0.8, 3, 0.5}, 2);
  const auto lengthen = [](AnswerScores& run) {
    for (AnswerScore& score : run) score.token_count = kShortAnswerTokensMax + 1;
  };
  lengthen(scores.base);
  for (std::vector<AnswerScores>& by_seed : scores.sets[0].runs) {
    for (AnswerScores& run : by_seed) lengthen(run);
  }
  const PilotFindings findings = find_pilot_results(scores, {.draw_count = 10});
  EXPECT_EQ(findings.short_count, 0);
  EXPECT_FALSE(findings.base_exact);
  EXPECT_FALSE(findings.sets[0].sizes[0].exact);
  EXPECT_FALSE(findings.sets[0].from_base.exact);
}

}  // namespace
}  // namespace pelton
