// The pure parts of the load generator: arrivals, workloads, events, sums.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "load/arrivals.h"
#include "load/event_stream.h"
#include "load/load_summary.h"
#include "load/workload.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// Mean and coefficient of variation of the gaps.
std::pair<double, double> gaps_of(double rate, double burstiness) {
  constexpr int64_t kCount = 20'000;
  Rng rng(7);
  const std::vector<Duration> times = arrival_times(rate, burstiness, kCount, rng);
  double sum = 0, squares = 0;
  Duration last{};
  for (const Duration time : times) {
    const double gap = seconds(time - last);
    sum += gap;
    squares += gap * gap;
    last = time;
  }
  const double mean = sum / kCount;
  return {mean, std::sqrt(squares / kCount - mean * mean) / mean};
}

// A gamma distribution's coefficient of variation is 1/√shape. Bounds: 4 standard errors.
TEST(Arrivals, HaveTheRateAndTheBurstiness) {
  for (const double burstiness : {0.25, 1.0, 4.0}) {
    const auto [mean, variation] = gaps_of(50, burstiness);
    EXPECT_NEAR(mean, 0.02, 0.02 * 4 / std::sqrt(burstiness * 20'000)) << burstiness;
    EXPECT_NEAR(variation, 1 / std::sqrt(burstiness), 0.06 / std::sqrt(burstiness)) << burstiness;
  }
}

TEST(Workload, SyntheticIsRead) {
  const SyntheticWorkload workload = parse_synthetic("in=1000,out=8,shared-prefix=900");
  EXPECT_EQ(workload.prompt_token_count, 1000);
  EXPECT_EQ(workload.answer_token_count, 8);
  EXPECT_EQ(workload.shared_prefix_token_count, 900);
  EXPECT_EQ(parse_synthetic("out=3").prompt_token_count, SyntheticWorkload{}.prompt_token_count);
  for (const char* wrong :
       {"in", "in=", "in=x", "in=-1", "in=0", "length=3", "in=5,shared-prefix=6", "in=9999999999"}) {
    EXPECT_THROW(parse_synthetic(wrong), Error) << wrong;
  }
}

int64_t words_in(const std::string& text) { return 1 + std::count(text.begin(), text.end(), ' '); }

TEST(Workload, SyntheticPromptsCostWhatWasAsked) {
  Rng rng(1);
  const TokenCost cost = fit_token_cost(10, 32, 110, 142);  // 1.1 a word, and a template of 21
  EXPECT_DOUBLE_EQ(cost.per_word, 1.1);
  EXPECT_DOUBLE_EQ(cost.base, 21);
  const auto prompts = synthetic_prompts({.prompt_token_count = 230, .shared_prefix_token_count = 131}, cost, 50, rng);
  std::set<std::string> texts;
  const std::string prefix = prompts[0].text.substr(0, 200);
  for (const LoadPrompt& prompt : prompts) {
    EXPECT_EQ(words_in(prompt.text), 190);
    EXPECT_EQ(prompt.text.substr(0, 200), prefix);
    texts.insert(prompt.text);
  }
  EXPECT_EQ(texts.size(), 50u) << "no two alike";
}

TEST(Workload, ShareGptGivesFirstQuestions) {
  const std::string data = R"([
    {"conversations": [{"from": "human", "value": "How far is the moon from here?"},
                       {"from": "gpt", "value": "About 384,000 kilometres, on average."}]},
    {"conversations": [{"from": "gpt", "value": "I begin."}, {"from": "human", "value": "No, you do not begin here."}]},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello to you, dear friend!"}]},
    {"text": "no conversation"}])";
  const auto prompts = sharegpt_prompts(data, 100);
  ASSERT_EQ(prompts.size(), 1u);
  EXPECT_EQ(prompts[0].text, "How far is the moon from here?");
  EXPECT_EQ(prompts[0].max_tokens, 9);
  EXPECT_THROW(sharegpt_prompts(data, 10), Error) << "none is that short";
  EXPECT_THROW(sharegpt_prompts("{}", 100), Error);
}

TEST(EventStream, TakesEventsHoweverTheyAreCut) {
  const std::string bytes =
      "data: one\n\n: a comment\r\ndata:two\r\ndata: lines\r\n\r\nevent: x\nid: 7\n\ndata: [DONE]\n\ndata: unfinished";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    EventStream stream;
    std::vector<std::string> events;
    for (size_t i = 0; i < bytes.size(); i += step) {
      stream.push(std::string_view(bytes).substr(i, step), [&](std::string_view data) { events.emplace_back(data); });
    }
    EXPECT_THAT(events, ElementsAre("one", "two\nlines", "[DONE]")) << step;
  }
}

TEST(LoadSummary, PercentilesAreValuesThatWereSeen) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  const Percentiles hundred = percentiles_of(values);
  EXPECT_EQ(hundred.p50, 50);
  EXPECT_EQ(hundred.p90, 90);
  EXPECT_EQ(hundred.p99, 99);
  EXPECT_EQ(hundred.max, 100);
  EXPECT_EQ(hundred.mean, 50.5);
  EXPECT_EQ(percentiles_of({3}).p99, 3);
  EXPECT_EQ(percentiles_of({}).count, 0);
}

LoadOutcome answered(int begin_ms, std::vector<int> pieces_ms, int end_ms) {
  LoadOutcome outcome{.begin = milliseconds(begin_ms), .end = milliseconds(end_ms)};
  for (const int piece : pieces_ms) outcome.pieces.emplace_back(milliseconds(piece));
  return outcome;
}

TEST(LoadSummary, CountsTimesAndTokens) {
  std::vector<LoadOutcome> outcomes = {answered(0, {100, 110, 130}, 140), answered(500, {300, 340}, 500)};
  outcomes[0].prompt_token_count = 90;
  outcomes[0].answer_token_count = 4;  // two tokens came as one piece
  outcomes.push_back({.error = "HTTP 429: full", .begin = milliseconds(600), .end = milliseconds(1)});
  const LoadSummary summary = summarise(outcomes, parse_objective("ttft=200ms,tpot=60ms"));
  EXPECT_EQ(summary.request_count, 3);
  EXPECT_EQ(summary.failed_count, 1);
  EXPECT_EQ(summary.errors.at("HTTP 429: full"), 1);
  EXPECT_DOUBLE_EQ(summary.duration_s, 1.0);
  EXPECT_EQ(summary.prompt_token_count, 90);
  EXPECT_EQ(summary.answer_token_count, 6);
  EXPECT_EQ(summary.first_token.max, 300);
  EXPECT_EQ(summary.output_token.p50, 10) << "30 ms for three tokens after the first";
  EXPECT_EQ(summary.inter_token.count, 3);
  EXPECT_EQ(summary.total.max, 500);
  EXPECT_EQ(summary.good_count, 1) << "a failed request is never good";
}

TEST(LoadSummary, ObjectivesAreRead) {
  const LoadObjective objective = parse_objective("ttft=0.5s,e2e=2s");
  EXPECT_EQ(objective.first_token, milliseconds(500));
  EXPECT_EQ(objective.output_token, std::nullopt);
  EXPECT_EQ(objective.total, milliseconds(2000));
  for (const char* wrong : {"ttft", "ttft=5", "ttft=-1ms", "ttft=nan", "tptt=3ms", "ttft=3 ms"}) {
    EXPECT_THROW(parse_objective(wrong), Error) << wrong;
  }
}

LoadPoint point(double rate, int64_t tokens, int64_t good) {
  return {.rate = rate,
          .client_count = std::nullopt,
          .summary = {.request_count = 100, .duration_s = 1, .answer_token_count = tokens, .good_count = good}};
}

TEST(LoadSummary, FindsTheKnee) {
  const std::vector<LoadPoint> points = {point(1, 100, 100), point(2, 200, 95), point(4, 350, 91), point(8, 380, 30),
                                         point(16, 380, 95)};
  EXPECT_EQ(knee_of(points, parse_objective("ttft=1s")), 2u) << "what comes after a failure does not count";
  EXPECT_EQ(knee_of(points, {}), 2u);
  EXPECT_EQ(knee_of(std::vector{point(1, 100, 10)}, parse_objective("ttft=1s")), std::nullopt);
}

}  // namespace
}  // namespace pelton
