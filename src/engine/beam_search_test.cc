#include "engine/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

using Tokens = std::vector<int32_t>;
using LogitsAfter = std::function<std::vector<float>(const Tokens&)>;

struct Found {
  std::vector<BeamSearch::Hypothesis> answers;
  int64_t step_count = 0;

  std::vector<Tokens> tokens() const {
    std::vector<Tokens> lists;
    for (const BeamSearch::Hypothesis& answer : answers) {
      lists.emplace_back();
      for (const SampledToken& sampled : answer.tokens) lists.back().push_back(index_of(sampled.token));
    }
    return lists;
  }
};

struct Options {
  BeamOptions beams;
  SamplingParameters sampling = {.temperature = 0};
  std::vector<TokenId> end_tokens = {};
  int64_t token_count_max = 10;
};

Found find(const Options& options, const LogitsAfter& logits_after) {
  GenerationRequest request;
  request.sampling = options.sampling;
  request.beams = options.beams;
  const auto vocabulary_size = static_cast<int64_t>(logits_after({}).size());
  const Answer start(FakeTokenizer::with_size(vocabulary_size), request, options.end_tokens, options.token_count_max);
  BeamSearch search(request, options.end_tokens, start, options.token_count_max);
  std::vector<Tokens> beams(1);
  SamplerScratch scratch;
  Found found;
  while (!beams.empty()) {
    for (size_t beam = 0; beam < beams.size(); ++beam) {
      EXPECT_FALSE(search.is_expanded());
      search.expand(beam, logits_after(beams[beam]), scratch);
    }
    std::vector<Tokens> next;
    for (const BeamSearch::Successor& successor : search.advance()) {
      next.push_back(beams[successor.parent]);
      next.back().push_back(index_of(successor.token));
    }
    EXPECT_LE(next.size(), static_cast<size_t>(options.beams.width));
    beams = std::move(next);
    ++found.step_count;
  }
  found.answers = search.take_answers();
  return found;
}

// The same distribution after all that came before.
LogitsAfter always(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double probability : probabilities) logits.push_back(static_cast<float>(std::log(probability)));
  return [logits](const Tokens&) { return logits; };
}

std::vector<double> logprobs_of(const std::vector<float>& logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  std::vector<double> logprobs;
  for (const float logit : logits) logprobs.push_back(logit - std::log(sum));
  return logprobs;
}

struct Scored {
  Tokens tokens;
  double logprob;
  double score;
};

// All answers that there are, best first: each ends with its first `end`, or has `length_max` tokens.
std::vector<Scored> all_answers(const LogitsAfter& logits_after, int32_t end, size_t length_max, double penalty) {
  std::vector<Scored> answers;
  const std::function<void(const Tokens&, double)> grow = [&](const Tokens& tokens, double sum) {
    const std::vector<double> logprobs = logprobs_of(logits_after(tokens));
    for (int32_t token = 0; token < static_cast<int32_t>(logprobs.size()); ++token) {
      Tokens longer = tokens;
      longer.push_back(token);
      const double logprob = sum + logprobs[static_cast<size_t>(token)];
      if (token != end && longer.size() < length_max) {
        grow(longer, logprob);
      } else {
        answers.push_back({longer, logprob, logprob / std::pow(static_cast<double>(longer.size()), penalty)});
      }
    }
  };
  grow({}, 0);
  std::sort(answers.begin(), answers.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
  return answers;
}

// With room for all beginnings the search finds what there is: the plain formula.
TEST(BeamSearch, IsExactWhereItLeavesNothingOut) {
  for (const uint64_t seed : {1, 2, 3}) {
    const LogitsAfter logits_after = [&](const Tokens& tokens) {
      Tokens history{static_cast<int32_t>(seed)};
      history.insert(history.end(), tokens.begin(), tokens.end());
      return FakeRunner::logits_after(history, 4);
    };
    for (const double penalty : {-1.0, 0.0, 0.7, 1.0, 2.0}) {
      for (const int32_t end : {-1, 3}) {  // -1: none
        std::vector<Scored> expected = all_answers(logits_after, end, 3, penalty);
        Options options{.beams = {.width = 64, .length_penalty = penalty}, .token_count_max = 3};
        if (end >= 0) options.end_tokens = {TokenId{end}};
        const Found found = find(options, logits_after);
        ASSERT_EQ(found.answers.size(), expected.size());
        for (size_t i = 0; i < expected.size(); ++i) {
          EXPECT_EQ(found.tokens()[i], expected[i].tokens);
          EXPECT_NEAR(found.answers[i].score.logprob, expected[i].logprob, 1e-5);
          EXPECT_NEAR(found.answers[i].score.score, expected[i].score, 1e-5);
          const bool has_ended = expected[i].tokens.back() == end;
          EXPECT_EQ(found.answers[i].reason, has_ended ? FinishReason::kStop : FinishReason::kLength);
        }
      }
    }
  }
}

// Token 2 ends an answer. Numbers in comments are probabilities.
TEST(BeamSearch, EndsAsEarlyAsItIsAskedTo) {
  const LogitsAfter logits = always({0.5, 0.1, 0.4});
  const auto with = [&](EarlyStopping stopping, double penalty) {
    return find(
        {.beams = {.width = 2, .length_penalty = penalty, .early_stopping = stopping}, .end_tokens = {TokenId{2}}},
        logits);
  };
  // "2" (0.4), then "0 2" (0.2): two answers, of which the longer has the better mean.
  const Found full = with(EarlyStopping::kWhenFull, 1);
  EXPECT_EQ(full.step_count, 2);
  EXPECT_EQ(full.tokens(), (std::vector<Tokens>{{0, 2}, {2}}));
  // Zeros have the best mean of all, so the search goes on to the last token.
  const Found heuristic = with(EarlyStopping::kHeuristic, 1);
  EXPECT_EQ(heuristic.step_count, 10);
  EXPECT_EQ(heuristic.tokens().front(), Tokens(10, 0));
  // Without a reward for length "0 0 0" (0.125) can't reach "0 2" any more.
  for (const EarlyStopping stopping : {EarlyStopping::kHeuristic, EarlyStopping::kNever}) {
    const Found plain = with(stopping, 0);
    EXPECT_EQ(plain.step_count, 3);
    EXPECT_EQ(plain.tokens(), (std::vector<Tokens>{{2}, {0, 2}}));
  }
}

TEST(BeamSearch, NeverMeansUntilNoLengthCouldHelp) {
  const LogitsAfter logits = always({0.3, 0.1, 0.6});
  const auto step_count = [&](EarlyStopping stopping, double penalty) {
    const Found found =
        find({.beams = {.width = 1, .length_penalty = penalty, .early_stopping = stopping}, .end_tokens = {TokenId{2}}},
             logits);
    EXPECT_EQ(found.tokens(), (std::vector<Tokens>{{2}}));
    return found.step_count;
  };
  EXPECT_EQ(step_count(EarlyStopping::kWhenFull, 1), 1);
  EXPECT_EQ(step_count(EarlyStopping::kHeuristic, 1), 1);
  // Five zeros: 5 log(0.3) / 10 < log(0.6), were they to come to all ten tokens.
  EXPECT_EQ(step_count(EarlyStopping::kNever, 1), 5);
  EXPECT_EQ(step_count(EarlyStopping::kNever, -1), 1);
}

// An end that is not among the best continuations is none: with one beam, the likeliest token alone counts.
TEST(BeamSearch, AnEndBehindTheBestIsNoAnswer) {
  const Found found = find({.beams = {.width = 1, .early_stopping = EarlyStopping::kWhenFull},
                            .end_tokens = {TokenId{2}},
                            .token_count_max = 4},
                           always({0.5, 0.1, 0.4}));
  EXPECT_EQ(found.tokens(), (std::vector<Tokens>{{0, 0, 0, 0}}));
  EXPECT_EQ(found.answers[0].reason, FinishReason::kLength);
}

TEST(BeamSearch, ManyEndTokensLeaveRoomForThoseThatGoOn) {
  // 0 to 4 end: the likeliest of all, and yet two beams go on, and become better.
  const Found found = find({.beams = {.width = 2, .early_stopping = EarlyStopping::kNever},
                            .end_tokens = {TokenId{0}, TokenId{1}, TokenId{2}, TokenId{3}, TokenId{4}, TokenId{4}},
                            .token_count_max = 2},
                           [](const Tokens& tokens) -> std::vector<float> {
                             if (tokens.empty()) return {1, 1, 1, 1, 1, 0.5, 0.4, -9};
                             return {-9, -9, -9, -9, -9, -9, -9, 9};
                           });
  EXPECT_EQ(found.tokens(), (std::vector<Tokens>{{5, 7}, {6, 7}}));
}

TEST(BeamSearch, RulesOfTheRequestHold) {
  const LogitsAfter logits = always({0.5, 0.1, 0.4});
  const Options plain{.beams = {.width = 2, .early_stopping = EarlyStopping::kWhenFull},
                      .end_tokens = {TokenId{2}},
                      .token_count_max = 4};
  Options options = plain;
  options.sampling.min_tokens = 2;
  for (const Tokens& tokens : find(options, logits).tokens()) EXPECT_GE(tokens.size(), 3u);
  options = plain;
  options.sampling.banned_tokens = {TokenId{0}};
  EXPECT_EQ(find(options, logits).tokens(), (std::vector<Tokens>{{2}, {1, 2}}));
  options = plain;
  options.sampling.allowed_tokens = {TokenId{1}};
  EXPECT_EQ(find(options, logits).tokens(), (std::vector<Tokens>{{1, 1, 1, 1}})) << "there is no second";
  options = plain;
  options.sampling.logit_bias = {{TokenId{1}, 5}};
  const Found biased = find(options, logits);
  EXPECT_EQ(biased.tokens()[0], (Tokens{1, 1, 1, 1}));
  EXPECT_NEAR(biased.answers[0].score.logprob, 4 * std::log(0.1), 1e-5) << "what the model thinks of it";
  EXPECT_NEAR(biased.answers[0].score.score, std::log(0.1) + 5, 1e-5) << "what it was chosen by";
}

// A stop string ends a beam as an end token does, wherever tokens cut it, and is not part of the text.
TEST(BeamSearch, StopStringsEndBeams) {
  Options options{.beams = {.width = 2, .early_stopping = EarlyStopping::kWhenFull}};
  options.sampling.stops = {"0 b"};
  const Found found = find(options, [](const Tokens& tokens) {  // of "a0 ", "b0 ", "c0 "
    return always(tokens.empty() ? std::vector<double>{0.5, 0.3, 0.2} : std::vector<double>{0.5, 0.4, 0.1})(tokens);
  });
  ASSERT_EQ(found.answers.size(), 2u);
  EXPECT_EQ(found.tokens()[0], (Tokens{0, 0, 1}));
  EXPECT_EQ(found.answers[0].text, "a0 a");
  EXPECT_EQ(found.answers[0].stop, "0 b");
  EXPECT_EQ(found.tokens()[1], (Tokens{0, 1}));
  EXPECT_EQ(found.answers[1].text, "a");
}

TEST(BeamSearch, SaysLogprobsWhereAskedTo) {
  const LogitsAfter logits = always({0.5, 0.125, 0.375});
  Options options{.beams = {.width = 2}, .token_count_max = 3};
  EXPECT_FALSE(find(options, logits).answers[1].tokens[2].logprob);
  options.sampling.logprobs = 2;
  for (const BeamSearch::Hypothesis& answer : find(options, logits).answers) {
    double sum = 0;
    for (const SampledToken& sampled : answer.tokens) {
      sum += static_cast<double>(sampled.logprob.value());
      ASSERT_EQ(sampled.alternatives.size(), 2u);
      EXPECT_EQ(sampled.alternatives[0].token, TokenId{0});
      EXPECT_NEAR(sampled.alternatives[1].logprob, std::log(0.375), 1e-6);
    }
    EXPECT_NEAR(answer.score.logprob, sum, 1e-5);
    EXPECT_NEAR(answer.score.score, sum / 3, 1e-5);
  }
}

TEST(BeamSearch, LogitsThatAreNoNumbersAreAnError) {
  GenerationRequest request;
  request.beams = BeamOptions();
  const Answer start(FakeTokenizer::with_size(3), request, {}, 5);
  BeamSearch search(request, {}, start, 5);
  SamplerScratch scratch;
  const std::vector<float> bad{0, std::numeric_limits<float>::quiet_NaN(), 1};
  EXPECT_THROW(search.expand(0, bad, scratch), Error);
  EXPECT_FALSE(search.is_expanded());
}

}  // namespace
}  // namespace pelton
