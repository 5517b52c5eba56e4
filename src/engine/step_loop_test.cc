#include "engine/step_loop.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <stdexcept>

#include "base/stopped_clock.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "engine/recording_sink.h"

namespace pelton {
namespace {

constexpr RequestId id(uint64_t number) { return RequestId{number}; }

// What the fake model says to `prompt` when nothing is sampled.
std::vector<int32_t> greedy_answer(std::vector<int32_t> history, size_t count, int64_t vocabulary_size) {
  std::vector<int32_t> answer;
  while (answer.size() < count) {
    answer.push_back(FakeRunner::next_token(history, vocabulary_size));
    history.push_back(answer.back());
  }
  return answer;
}

class StepLoopTest : public testing::Test {
 protected:
  void start(FakeRunner::Options options = {}, SchedulerOptions scheduling = {}, std::vector<TokenId> end_tokens = {}) {
    end_tokens_ = std::move(end_tokens);
    runner_ = std::make_unique<FakeRunner>(std::move(options));
    const RunnerLimits limits = runner_->limits();
    scheduling.page_count = limits.page_count;
    scheduling.local = limits.local_pages;
    scheduling.page_token_count = limits.page_token_count;
    loop_ =
        std::make_unique<StepLoop>(StepLoop::Environment{.runner = *runner_,
                                                         .tokenizer = FakeTokenizer::with_size(limits.vocabulary_size),
                                                         .scheduling = scheduling,
                                                         .clock = clock_});
  }
  // A prompt of `prompt_size` tokens that differ from those of other numbers.
  std::vector<int32_t> prompt(uint64_t number, size_t prompt_size) const {
    Rng rng(number);
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < prompt_size; ++i) tokens.push_back(static_cast<int32_t>(rng.next_below(64)));
    return tokens;
  }
  std::shared_ptr<RecordingSink> add(uint64_t number, size_t prompt_size, int64_t max_tokens,
                                     SamplingParameters sampling = {.temperature = 0}) {
    auto sink = std::make_shared<RecordingSink>();
    Submission submission{.id = id(number),
                          .answer_token_count_max = max_tokens,
                          .end_tokens = ending_tokens(sampling, end_tokens_),
                          .seed = number,
                          .sinks = {sink}};
    for (const int32_t token : prompt(number, prompt_size)) submission.request.prompt.push_back(TokenId{token});
    submission.request.sampling = std::move(sampling);
    submission.submitted = clock_.now();
    loop_->add(std::move(submission));
    return sink;
  }
  void run_until_idle() {
    for (int i = 0; i < 10'000 && !loop_->is_idle(); ++i) loop_->step();
    EXPECT_TRUE(loop_->is_idle());
    EXPECT_EQ(loop_->statistics().pages_used, 0);
  }

  StoppedClock clock_;
  std::vector<TokenId> end_tokens_;
  std::unique_ptr<FakeRunner> runner_;
  std::unique_ptr<StepLoop> loop_;
};

TEST_F(StepLoopTest, SayWhatTheModelSays) {
  start();
  const auto sink = add(1, 20, 30);
  run_until_idle();
  EXPECT_EQ(sink->tokens(), greedy_answer(prompt(1, 20), 30, 64));
  std::string text;
  for (const int32_t token : sink->tokens()) text += FakeTokenizer::with_size(64)->token_bytes(TokenId{token});
  EXPECT_EQ(sink->text(), text);
  EXPECT_EQ(sink->summary()->reason, FinishReason::kLength);
  EXPECT_EQ(sink->summary()->prompt_tokens, 20);
  EXPECT_EQ(sink->summary()->completion_tokens, 30);
}

TEST_F(StepLoopTest, CompanyChunksAndPreemptionAreInvisible) {
  start({.limits = {.vocabulary_size = 64, .context_length = 128, .page_count = 9}},
        {.step_token_count_max = 11, .sequence_count_max = 8});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (uint64_t i = 0; i < 12; ++i) sinks.push_back(add(i, 1 + 5 * i, 40));
  run_until_idle();
  for (uint64_t i = 0; i < sinks.size(); ++i) {
    EXPECT_EQ(sinks[i]->tokens(), greedy_answer(prompt(i, 1 + 5 * i), 40, 64)) << "request " << i;
  }
  EXPECT_GT(loop_->statistics().preemption_count, 0);
}

// Steps in which everybody is content with the best candidates, and the same requests beside one that wants whole rows,
// sampled by one thread and by several.
TEST_F(StepLoopTest, FewCandidatesGiveTheTokensOfWholeRows) {
  const std::vector<SamplingParameters> requests = {{.temperature = 0},
                                                    {.temperature = 0.8, .top_k = 5},
                                                    {.temperature = 1.2, .top_k = 40, .top_p = 0.9},
                                                    {.temperature = 2, .top_k = 64, .min_p = 0.1},
                                                    {.temperature = 0, .stop_tokens = {TokenId{9}}, .min_tokens = 30}};
  const auto answers = [&](bool has_company, int thread_count) {
    start({.thread_count = thread_count});
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    // Waits for as long as the others do.
    if (has_company) add(9, 1, 60, {.temperature = 1});
    for (size_t i = 0; i < requests.size(); ++i) sinks.push_back(add(i, 3 + i, 30, requests[i]));
    run_until_idle();
    EXPECT_EQ(runner_->largest_step_count() == 0, has_company);
    std::vector<std::vector<int32_t>> tokens;
    for (const auto& sink : sinks) tokens.push_back(sink->tokens());
    return tokens;
  };
  const std::vector<std::vector<int32_t>> whole = answers(true, 1);
  EXPECT_EQ(whole[0], greedy_answer(prompt(0, 3), 30, 64));
  for (const std::vector<int32_t>& tokens : whole) EXPECT_EQ(tokens.size(), 30u);
  EXPECT_EQ(answers(true, 3), whole);
  EXPECT_EQ(answers(false, 1), whole);
  EXPECT_EQ(answers(false, 3), whole);
}

// By one thread or by several, with whole rows or with the largest: the request whose logits are no numbers fails, and
// nobody else.
TEST_F(StepLoopTest, ABadRowFailsItsRequestAlone) {
  for (const double temperature : {0.0, 1.0}) {
    for (const int thread_count : {1, 3}) {
      start({.after_step =
                 [](std::span<float> logits) {
                   if (logits.size() == 3 * 64) logits[64 + 7] = std::numeric_limits<float>::quiet_NaN();
                 },
             .thread_count = thread_count});
      const auto first = add(1, 5, 10, {.temperature = temperature});
      const auto second = add(2, 5, 10, {.temperature = temperature});
      const auto third = add(3, 5, 10, {.temperature = temperature});
      run_until_idle();
      EXPECT_EQ(first->tokens().size(), 10u);

      EXPECT_EQ(second->error_code(), ErrorCode::kInternal);
      EXPECT_EQ(third->tokens().size(), 10u);
    }
  }
}

TEST_F(StepLoopTest, SampledTokensDoNotDependOnCompany) {
  const SamplingParameters sampling{.temperature = 1.0, .top_p = 0.95};
  start();
  const auto alone = add(1, 10, 40, sampling);
  run_until_idle();
  start({.limits = {.vocabulary_size = 64, .context_length = 128, .page_count = 9}},
        {.step_token_count_max = 11, .sequence_count_max = 8});
  add(7, 60, 40, sampling);
  const auto in_company = add(1, 10, 40, sampling);
  for (uint64_t i = 2; i < 6; ++i) add(i, 30, 40, sampling);
  run_until_idle();
  EXPECT_EQ(alone->tokens(), in_company->tokens());
  EXPECT_GT(loop_->statistics().preemption_count, 0);
}

// In chunks, beside others, and where it has to be computed again: of each token what the fake model thinks of it.
TEST_F(StepLoopTest, ScoresThePromptsThatAskForIt) {
  for (const int thread_count : {1, 3}) {
    start({.limits = {.vocabulary_size = 64, .context_length = 128, .page_count = 8}, .thread_count = thread_count},
          {.step_token_count_max = 24, .sequence_count_max = 8, .growth_page_count = 0});
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (uint64_t number = 0; number < 4; ++number) {
      Submission submission{
          .id = id(10 * number), .answer_token_count_max = 60, .seed = number, .submitted = clock_.now()};
      sinks.push_back(std::make_shared<RecordingSink>());
      submission.sinks = {sinks.back()};
      if (number == 1) submission.sinks.push_back(std::make_shared<RecordingSink>());
      for (const int32_t token : prompt(number, 30)) submission.request.prompt.push_back(TokenId{token});
      submission.request.sampling.temperature = 0;
      if (number != 3) submission.request.prompt_logprobs = static_cast<int>(number);
      loop_->add(std::move(submission));
    }
    run_until_idle();
    EXPECT_GT(loop_->statistics().preemption_count, 0);
    EXPECT_EQ(loop_->statistics().cached_token_count, 0);
    EXPECT_TRUE(sinks[3]->prompt().empty());
    for (uint64_t number = 0; number < 3; ++number) {
      const std::vector<int32_t> tokens = prompt(number, 30);
      const std::vector<SampledToken> scored = sinks[number]->prompt();
      ASSERT_EQ(scored.size(), tokens.size());
      EXPECT_FALSE(scored[0].logprob);
      for (size_t i = 0; i < tokens.size(); ++i) {
        EXPECT_EQ(index_of(scored[i].token), tokens[i]);
        if (i == 0) continue;
        EXPECT_LT(scored[i].logprob.value(), 0);
        ASSERT_EQ(scored[i].alternatives.size(), number);
        if (number == 0) continue;
        const int32_t likeliest = FakeRunner::next_token({tokens.begin(), tokens.begin() + static_cast<long>(i)}, 64);
        EXPECT_EQ(index_of(scored[i].alternatives[0].token), likeliest);
        EXPECT_EQ(scored[i].logprob.value() == scored[i].alternatives[0].logprob, tokens[i] == likeliest);
      }
      EXPECT_EQ(sinks[number]->tokens(), greedy_answer(tokens, 60, 64));
    }
  }
}

TEST_F(StepLoopTest, ABrokenRowOfAPromptEndsItsRequestAlone) {
  int steps = 0;
  start({.after_step = [&](std::span<float> logits) {
    if (++steps == 1) logits[70] = std::numeric_limits<float>::quiet_NaN();  // of the second row
  }});
  const auto plain = add(1, 1, 5);
  Submission submission{.id = id(2), .answer_token_count_max = 5, .submitted = clock_.now()};
  const auto sink = std::make_shared<RecordingSink>();
  submission.sinks = {sink};
  for (const int32_t token : prompt(2, 6)) submission.request.prompt.push_back(TokenId{token});
  submission.request.prompt_logprobs = 0;
  loop_->add(std::move(submission));
  run_until_idle();
  EXPECT_EQ(sink->error_code(), ErrorCode::kInternal);
  EXPECT_EQ(plain->tokens().size(), 5u);
}

TEST_F(StepLoopTest, RequestsShareSteps) {
  start();
  for (uint64_t i = 0; i < 8; ++i) add(i, 4, 10);
  run_until_idle();
  EXPECT_EQ(loop_->statistics().step_count, 10);
  EXPECT_EQ(loop_->statistics().step_row_count, 8 * (4 + 9));
}

// Two prompts that begin alike, one after the other and at once, and a third of another tenant: the answers are those
// without the cache.
TEST_F(StepLoopTest, APrefixIsComputedOnceAndChangesNothing) {
  start({.limits = {.vocabulary_size = 64, .context_length = 256, .page_count = 64}});
  const auto ask = [&](uint64_t number, std::string salt) {
    auto sink = std::make_shared<RecordingSink>();
    Submission submission{.id = id(number), .answer_token_count_max = 40, .seed = number, .sinks = {sink}};
    for (const int32_t token : prompt(1, 100)) submission.request.prompt.push_back(TokenId{token});
    submission.request.prompt.push_back(TokenId{static_cast<int32_t>(number)});
    submission.request.sampling.temperature = 0;
    submission.request.cache_salt = std::move(salt);
    loop_->add(std::move(submission));
    return sink;
  };
  const auto first = ask(1, "");
  const auto second = ask(2, "");
  run_until_idle();
  const auto third = ask(3, "");
  const auto stranger = ask(4, "tenant");
  run_until_idle();
  EXPECT_EQ(first->summary()->cached_tokens, 0);
  EXPECT_EQ(second->summary()->cached_tokens, 96) << "it waited for the first";
  EXPECT_EQ(third->summary()->cached_tokens, 96);
  EXPECT_EQ(stranger->summary()->cached_tokens, 0);
  EXPECT_EQ(loop_->statistics().cached_token_count, 2 * 96);
  EXPECT_EQ(loop_->statistics().prompt_token_count, 4 * 101);
  EXPECT_GT(loop_->statistics().pages_kept, 0);
  for (const auto& [number, sink] : {std::pair(1, first), {2, second}, {3, third}, {4, stranger}}) {
    std::vector<int32_t> history = prompt(1, 100);
    history.push_back(number);
    EXPECT_EQ(sink->tokens(), greedy_answer(history, 40, 64)) << number;
  }
}

// The answers of n requests with a seed each, from one prompt that is computed once.
TEST_F(StepLoopTest, SeveralAnswersShareTheirPrompt) {
  start({.limits = {.vocabulary_size = 64, .context_length = 256, .page_count = 64}});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  Submission submission{.id = id(1), .answer_token_count_max = 30, .seed = 5};
  for (int i = 0; i < 4; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    submission.sinks.push_back(sinks.back());
  }
  for (const int32_t token : prompt(1, 40)) submission.request.prompt.push_back(TokenId{token});
  loop_->add(std::move(submission));
  loop_->step();
  EXPECT_EQ(loop_->statistics().running_count, 4);
  EXPECT_EQ(loop_->statistics().step_row_count, 40);
  loop_->step();
  EXPECT_EQ(loop_->statistics().pages_used, 2 + 4) << "each writes a page of its own";
  loop_->cancel(id(3));
  run_until_idle();
  EXPECT_EQ(sinks[2]->error_code(), ErrorCode::kCancelled);
  EXPECT_EQ(sinks[0]->summary()->prompt_tokens, 40);

  std::set<std::vector<int32_t>> answers;
  for (const size_t i : {0, 1, 3}) {
    start({.limits = {.vocabulary_size = 64, .context_length = 256, .page_count = 64}});
    const auto alone = std::make_shared<RecordingSink>();
    Submission single{.id = id(1), .answer_token_count_max = 30, .sinks = {alone}};
    single.seed = i == 0 ? 5 : Rng(5 + i).next();
    for (const int32_t token : prompt(1, 40)) single.request.prompt.push_back(TokenId{token});
    loop_->add(std::move(single));
    run_until_idle();
    EXPECT_EQ(sinks[i]->tokens(), alone->tokens()) << i;
    answers.insert(sinks[i]->tokens());
  }
  EXPECT_EQ(answers.size(), 3u);
}

TEST_F(StepLoopTest, AnswersThatAreCancelledBeforeTheirPromptIsComputedLeaveTheOthers) {
  start({}, {.step_token_count_max = 8, .sequence_count_max = 4});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  Submission submission{.id = id(1), .answer_token_count_max = 5};
  for (int i = 0; i < 3; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    submission.sinks.push_back(sinks.back());
  }
  for (const int32_t token : prompt(1, 20)) submission.request.prompt.push_back(TokenId{token});
  submission.request.sampling.temperature = 0;
  loop_->add(std::move(submission));
  loop_->step();
  loop_->cancel(id(1));
  run_until_idle();
  EXPECT_EQ(sinks[0]->error_code(), ErrorCode::kCancelled);
  for (const size_t i : {1, 2}) EXPECT_EQ(sinks[i]->tokens(), greedy_answer(prompt(1, 20), 5, 64));
}

TEST_F(StepLoopTest, WhatIsNotDoneByItsDeadlineEnds) {
  start({.before_step = [this](const StepBatch&) { clock_.advance(std::chrono::milliseconds(10)); }},
        {.step_token_count_max = 8, .sequence_count_max = 1});
  const auto ask = [&](uint64_t number, int64_t deadline_ms) {
    auto sink = std::make_shared<RecordingSink>();
    Submission submission{.id = id(number), .answer_token_count_max = 5, .sinks = {sink}, .submitted = clock_.now()};
    submission.request.prompt = {TokenId{1}};
    submission.request.deadline = std::chrono::milliseconds(deadline_ms);
    loop_->add(std::move(submission));
    return sink;
  };
  const auto slow = ask(1, 35);
  const auto in_time = ask(2, 90);
  const auto never_began = ask(3, 20);
  run_until_idle();
  EXPECT_EQ(slow->error_code(), ErrorCode::kCancelled);
  EXPECT_EQ(slow->tokens().size(), 4u);
  EXPECT_EQ(in_time->tokens().size(), 5u);
  EXPECT_EQ(never_began->error_code(), ErrorCode::kCancelled);
  EXPECT_TRUE(never_began->tokens().empty());
}

TEST_F(StepLoopTest, EndTokenEnds) {
  const std::vector<int32_t> answer = greedy_answer(prompt(1, 5), 20, 64);
  start({}, {}, {TokenId{answer[7]}});
  const auto sink = add(1, 5, 20);
  run_until_idle();
  const auto end = std::find(answer.begin(), answer.end(), answer[7]);
  EXPECT_EQ(sink->tokens(), std::vector<int32_t>(answer.begin(), end + 1));
  EXPECT_EQ(sink->summary()->reason, FinishReason::kStop);
}

TEST_F(StepLoopTest, CancelFreesPagesAndTellsTheSink) {
  start();
  const auto running = add(1, 20, 100);
  loop_->step();
  const auto waiting = add(2, 20, 100);
  EXPECT_GT(loop_->statistics().pages_used, 0);
  loop_->cancel(id(1));
  loop_->cancel(id(2));
  loop_->cancel(id(2));
  loop_->cancel(id(99));
  EXPECT_EQ(running->error_code(), ErrorCode::kCancelled);
  EXPECT_EQ(waiting->error_code(), ErrorCode::kCancelled);
  EXPECT_EQ(loop_->statistics().pages_used, 0);
  EXPECT_TRUE(loop_->is_idle());
}

TEST_F(StepLoopTest, FailingStepFailsItsRequestsAndNoOthers) {
  bool fails = false;
  start({.before_step =
             [&](const StepBatch&) {
               if (fails) throw std::runtime_error("broken");
             }},
        {.step_token_count_max = 8, .sequence_count_max = 1});
  const auto first = add(1, 4, 10);
  const auto second = add(2, 4, 10);
  loop_->step();
  fails = true;
  loop_->step();
  fails = false;
  run_until_idle();
  EXPECT_EQ(first->error_code(), ErrorCode::kInternal);
  EXPECT_EQ(second->tokens(), greedy_answer(prompt(2, 4), 10, 64));
}

TEST_F(StepLoopTest, BadLogitsFailTheirRequestAndNoOther) {
  start({.after_step = [](std::span<float> logits) {
    if (!logits.empty()) logits[3] = std::numeric_limits<float>::quiet_NaN();  // of the first row
  }});
  const auto first = add(1, 4, 1);
  const auto second = add(2, 4, 1);
  loop_->step();
  EXPECT_EQ(first->error_code(), ErrorCode::kInternal);
  EXPECT_EQ(second->tokens().size(), 1u);
}

class ThrowingSink final : public GenerationSink {
 public:
  void on_tokens(std::string, std::vector<SampledToken>) override { throw std::runtime_error("connection lost"); }
  void on_finish(const GenerationSummary&) override { throw std::runtime_error("connection lost"); }
  void on_error(const Error&) override { throw std::runtime_error("connection lost"); }
};

TEST_F(StepLoopTest, ThrowingSinkEndsItsRequestAndNoOther) {
  start();
  const auto other = add(1, 4, 10);
  Submission submission{.id = id(2), .answer_token_count_max = 10, .sinks = {std::make_shared<ThrowingSink>()}};
  submission.request.prompt = {TokenId{1}};
  loop_->add(std::move(submission));
  run_until_idle();
  EXPECT_EQ(other->tokens().size(), 10u);
}

TEST_F(StepLoopTest, MeasuresTimeByItsClock) {
  start({.before_step = [this](const StepBatch&) { clock_.advance(std::chrono::milliseconds(10)); }},
        {.step_token_count_max = 8, .sequence_count_max = 1});
  add(1, 8, 1);  // one step
  const auto sink = add(2, 16, 3);
  run_until_idle();
  EXPECT_EQ(milliseconds(sink->summary()->timings.queue), 10);
  EXPECT_EQ(milliseconds(sink->summary()->timings.first_token), 30);
  EXPECT_EQ(milliseconds(sink->summary()->timings.total), 50);
}

TEST_F(StepLoopTest, FailAllEndsEverything) {
  start();
  const auto running = add(1, 20, 100);
  loop_->step();
  const auto waiting = add(2, 20, 100);
  loop_->fail_all(Error(ErrorCode::kUnavailable, "stopping"));
  EXPECT_EQ(running->error_code(), ErrorCode::kUnavailable);
  EXPECT_EQ(waiting->error_code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(loop_->is_idle());
}

}  // namespace
}  // namespace pelton
