// Answers that follow grammars, in a step loop with others that follow none.
#include "engine/grammar_masks.h"

#include <gtest/gtest.h>

#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "engine/recording_sink.h"
#include "engine/step_loop.h"

namespace pelton {
namespace {

constexpr int64_t kVocabularySize = 64;
constexpr TokenId kEnd{63};

class GrammarMasksTest : public testing::Test {
 protected:
  GrammarMasksTest() {
    loop_ = std::make_unique<StepLoop>(
        StepLoop::Environment{.runner = runner_,
                              .tokenizer = tokenizer_,
                              .scheduling = {.page_count = runner_.limits().page_count,
                                             .page_token_count = runner_.limits().page_token_count},
                              .clock = clock_,
                              .grammars = grammars_});
  }

  std::shared_ptr<RecordingSink> add(uint64_t number, const std::optional<GrammarSource>& source,
                                     SamplingParameters sampling, int64_t max_tokens = 40) {
    auto sink = std::make_shared<RecordingSink>();
    Submission submission{.id = RequestId{number},
                          .answer_token_count_max = max_tokens,
                          .end_tokens = {kEnd},
                          .seed = number,
                          .sinks = {sink},
                          .submitted = clock_.now()};
    submission.request.prompt = {TokenId{static_cast<int32_t>(number % kVocabularySize)}, TokenId{5}};
    submission.request.sampling = std::move(sampling);
    if (source) submission.request.grammar = grammars_->compile(*source);
    loop_->add(std::move(submission));
    return sink;
  }
  void run_until_idle() {
    for (int i = 0; i < 10'000 && !loop_->is_idle(); ++i) loop_->step();
    ASSERT_TRUE(loop_->is_idle());
  }

  SteadyClock clock_;
  FakeRunner runner_{{.thread_count = 2}};
  // "a0 ", "b0 ", …, "l2 ".
  std::shared_ptr<const Tokenizer> tokenizer_ = FakeTokenizer::with_size(kVocabularySize);
  std::shared_ptr<GrammarCompiler> grammars_ =
      std::make_shared<GrammarCompiler>(tokenizer_, kVocabularySize, std::vector<TokenId>{kEnd});
  std::unique_ptr<StepLoop> loop_;
};

const std::vector<SamplingParameters> kSamplings = {
    {.temperature = 0},
    {.temperature = 1, .top_k = 5},  // as those of the largest logits alone
    {.temperature = 1},
    {.temperature = 1, .repetition_penalty = 1.5},
    {.temperature = 1, .top_n_sigma = 1.5},
    {.temperature = 0, .logprobs = 2},
};
constexpr const char* kExpression = "(([a-d]0 |k1 )z0 ){2,4}[a-m]1 ";

TEST_F(GrammarMasksTest, EveryKindOfSamplingFollowsTheGrammarAndNobodyElseDoes) {
  std::vector<std::shared_ptr<RecordingSink>> held, free;
  for (size_t i = 0; i < kSamplings.size(); ++i) {
    held.push_back(add(10 + i, GrammarSource{GrammarKind::kRegex, kExpression}, kSamplings[i]));
    free.push_back(add(30 + i, std::nullopt, kSamplings[i]));
  }
  run_until_idle();
  for (const auto& sink : held) {
    ASSERT_TRUE(sink->summary());
    EXPECT_TRUE(std::regex_match(sink->text(), std::regex(kExpression))) << sink->text();
    EXPECT_EQ(sink->summary()->reason, FinishReason::kStop);
  }
  EXPECT_GE(loop_->statistics().mask_count, 5 * static_cast<int64_t>(kSamplings.size()));

  // The same as in a loop where nobody follows a grammar.
  for (size_t i = 0; i < kSamplings.size(); ++i) {
    const auto alone = add(30 + i, std::nullopt, kSamplings[i]);
    run_until_idle();
    EXPECT_EQ(alone->tokens(), free[i]->tokens());
  }
}

TEST_F(GrammarMasksTest, TheLargestLogitsAreThoseOfTheMask) {
  for (const SamplingParameters& sampling : {kSamplings[0], kSamplings[1]}) {
    const int64_t before = runner_.largest_step_count();
    const auto sink = add(1, GrammarSource{GrammarKind::kRegex, kExpression}, sampling);
    run_until_idle();
    EXPECT_GT(runner_.largest_step_count(), before);
    // Whole rows give the same: log-probabilities ask for them and change no choice.
    SamplingParameters of_whole_rows = sampling;
    of_whole_rows.logprobs = 0;
    const int64_t after = runner_.largest_step_count();
    const auto whole = add(1, GrammarSource{GrammarKind::kRegex, kExpression}, of_whole_rows);
    run_until_idle();
    EXPECT_EQ(runner_.largest_step_count(), after);
    EXPECT_EQ(whole->tokens(), sink->tokens());
  }
}

TEST_F(GrammarMasksTest, AnAnswerEndsWhereNothingMayFollowOrWithAnEndTokenWhereOneMay) {
  const auto closed = add(1, GrammarSource::choice({"c0 c0 ", "d0 "}), {.temperature = 0});
  run_until_idle();
  EXPECT_TRUE(closed->text() == "c0 c0 " || closed->text() == "d0 ") << closed->text();
  EXPECT_NE(closed->tokens().back(), index_of(kEnd));  // no token was spent on the end
  // May go on for ever: ends by the end token, sooner or later, or by its length.
  const auto open = add(2, GrammarSource{GrammarKind::kRegex, "(c0 )+"}, {.temperature = 1}, 100);
  run_until_idle();
  EXPECT_TRUE(std::regex_match(open->text(), std::regex("(c0 )+")));
  EXPECT_EQ(open->tokens().back() == index_of(kEnd), open->summary()->reason == FinishReason::kStop);
}

TEST_F(GrammarMasksTest, AGrammarBeginsWhereReasoningEnds) {
  for (const int64_t budget : {0, 7}) {
    auto sink = std::make_shared<RecordingSink>();
    Submission submission{.id = RequestId{1},
                          .answer_token_count_max = 40,
                          .end_tokens = {kEnd},
                          .seed = 1,
                          .sinks = {sink},
                          .submitted = clock_.now()};
    submission.request.prompt = {TokenId{1}};
    submission.request.sampling = {.temperature = 1};
    submission.request.grammar = grammars_->compile(GrammarSource::choice({"c0 c0 ", "d0 c0 "}));
    // "x0 y0 " ends it; the fake model hardly says that itself.
    submission.request.reasoning = ReasoningOptions{"", "x0 y0 ", {TokenId{23}, TokenId{24}}, budget};
    loop_->add(std::move(submission));
    run_until_idle();
    ASSERT_TRUE(sink->summary()) << budget;
    const std::string text = sink->text();
    EXPECT_EQ(sink->tokens().size(), static_cast<size_t>(budget) + 4) << text;
    EXPECT_TRUE(std::regex_search(text, std::regex("x0 y0 [cd]0 c0 $"))) << text;
  }
}

TEST_F(GrammarMasksTest, RulesThatLeaveNothingFailTheirOwnRequestAlone) {
  const auto stuck = add(1, GrammarSource::choice({"c0 "}), {.temperature = 0, .banned_tokens = {TokenId{2}}});
  const auto fine = add(2, GrammarSource::choice({"d0 "}), {.temperature = 0});
  run_until_idle();
  EXPECT_EQ(stuck->error_code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(fine->text(), "d0 ");
}

TEST_F(GrammarMasksTest, WhatContradictsAGrammarIsRefused) {
  GenerationRequest request;
  request.grammar = grammars_->compile(GrammarSource::choice({"c0 "}));
  EXPECT_NO_THROW(validate_grammar(request));
  request.sampling.min_tokens = 1;
  EXPECT_THROW(validate_grammar(request), Error);
  request.sampling.min_tokens = 0;
  request.sampling.ignores_end_tokens = true;
  EXPECT_THROW(validate_grammar(request), Error);
  request.grammar = nullptr;
  EXPECT_NO_THROW(validate_grammar(request));
}

}  // namespace
}  // namespace pelton
