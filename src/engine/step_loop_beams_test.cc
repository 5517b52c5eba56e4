// Beam searches as sequences of a step loop: on a fake model, whose logits tell whether a beam's pages hold its tokens,
// and on a golden one beside what transformers found.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "base/stopped_clock.h"
#include "engine/engine.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "engine/recording_sink.h"
#include "engine/step_loop.h"

namespace pelton {
namespace {

constexpr RequestId id(uint64_t number) { return RequestId{number}; }
constexpr int64_t kVocabulary = 64;

std::vector<int32_t> ids_of(const std::vector<SampledToken>& tokens) {
  std::vector<int32_t> ids;
  for (const SampledToken& sampled : tokens) ids.push_back(index_of(sampled.token));
  return ids;
}

using Sinks = std::vector<std::shared_ptr<RecordingSink>>;

class StepLoopBeams : public testing::Test {
 protected:
  void start(FakeRunner::Options options = {}, SchedulerOptions scheduling = {}) {
    runner_ = std::make_unique<FakeRunner>(std::move(options));
    const RunnerLimits limits = runner_->limits();
    scheduling.page_count = limits.page_count;
    scheduling.page_token_count = limits.page_token_count;
    loop_ = std::make_unique<StepLoop>(
        StepLoop::Environment{.runner = *runner_, .tokenizer = tokenizer_, .scheduling = scheduling, .clock = clock_});
  }

  // Prompts of different numbers differ.
  static std::vector<int32_t> prompt(uint64_t number, size_t size) {
    Rng rng(number);
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < size; ++i) tokens.push_back(static_cast<int32_t>(rng.next_below(kVocabulary)));
    return tokens;
  }
  Submission submission(uint64_t number, size_t prompt_size, int64_t max_tokens) const {
    Submission submission{.id = id(number), .answer_token_count_max = max_tokens, .seed = number};
    for (const int32_t token : prompt(number, prompt_size)) submission.request.prompt.push_back(TokenId{token});
    submission.request.sampling.temperature = 0;
    submission.submitted = clock_.now();
    return submission;
  }
  Sinks add(Submission submission, size_t answer_count) {
    Sinks sinks;
    for (size_t i = 0; i < answer_count; ++i) sinks.push_back(std::make_shared<RecordingSink>());
    submission.sinks = {sinks.begin(), sinks.end()};
    loop_->add(std::move(submission));
    return sinks;
  }
  Submission beam_submission(uint64_t number, size_t prompt_size, int64_t max_tokens, BeamOptions beams) const {
    Submission made = submission(number, prompt_size, max_tokens);
    made.end_tokens = {TokenId{7}, TokenId{13}};
    made.request.beams = beams;
    return made;
  }
  void run_until_idle() {
    for (int i = 0; i < 20'000 && !loop_->is_idle(); ++i) loop_->step();
    ASSERT_TRUE(loop_->is_idle());
    EXPECT_EQ(loop_->statistics().pages_used, 0);
  }

  // What the search finds where nothing but the tokens decides.
  std::vector<BeamSearch::Hypothesis> found_alone(const Submission& asked) const {
    const Answer start(tokenizer_, asked.request, asked.end_tokens, asked.answer_token_count_max);
    BeamSearch search(asked.request, asked.end_tokens, start, asked.answer_token_count_max);
    std::vector<std::vector<int32_t>> beams(1);
    for (const TokenId token : asked.request.prompt) beams[0].push_back(index_of(token));
    SamplerScratch scratch;
    while (!beams.empty()) {
      for (size_t i = 0; i < beams.size(); ++i) {
        search.expand(i, FakeRunner::logits_after(beams[i], kVocabulary), scratch);
      }
      std::vector<std::vector<int32_t>> next;
      for (const BeamSearch::Successor& successor : search.advance()) {
        next.push_back(beams[successor.parent]);
        next.back().push_back(index_of(successor.token));
      }
      beams = std::move(next);
    }
    return search.take_answers();
  }
  void expect_found(const Submission& asked, const Sinks& sinks) const {
    const std::vector<BeamSearch::Hypothesis> expected = found_alone(asked);
    ASSERT_GE(expected.size(), sinks.size());
    for (size_t i = 0; i < sinks.size(); ++i) {
      const std::vector<int32_t> tokens = ids_of(expected[i].tokens);
      ASSERT_TRUE(sinks[i]->summary()) << "answer " << i;
      EXPECT_EQ(sinks[i]->tokens(), tokens) << "answer " << i;
      EXPECT_EQ(sinks[i]->text(), expected[i].text);
      EXPECT_EQ(sinks[i]->summary()->reason, expected[i].reason);
      EXPECT_EQ(sinks[i]->summary()->completion_tokens, static_cast<int64_t>(tokens.size()));
      EXPECT_EQ(sinks[i]->summary()->prompt_tokens, static_cast<int64_t>(asked.request.prompt.size()));
      EXPECT_EQ(sinks[i]->summary()->beam->score, expected[i].score.score);
      EXPECT_EQ(sinks[i]->summary()->beam->logprob, expected[i].score.logprob);
    }
  }

  StoppedClock clock_;
  std::shared_ptr<const Tokenizer> tokenizer_ = FakeTokenizer::with_size(kVocabulary);
  std::unique_ptr<FakeRunner> runner_;
  std::unique_ptr<StepLoop> loop_;
};

TEST_F(StepLoopBeams, FindWhatTheTokensAloneSay) {
  for (const EarlyStopping stopping : {EarlyStopping::kHeuristic, EarlyStopping::kWhenFull, EarlyStopping::kNever}) {
    for (const int64_t width : {1, 2, 5}) {
      for (const int thread_count : {1, 3}) {
        start({.thread_count = thread_count});
        const Submission asked = beam_submission(1, 37, 20, {.width = width, .early_stopping = stopping});
        const Sinks sinks = add(asked, static_cast<size_t>(std::min<int64_t>(width, 3)));
        run_until_idle();
        expect_found(asked, sinks);
      }
    }
  }
}

// The rows of all beams are one batch, and the prompt's pages are there once.
TEST_F(StepLoopBeams, ShareStepsAndPages) {
  std::vector<size_t> row_counts;
  start({.limits = {.vocabulary_size = kVocabulary, .context_length = 256, .page_count = 32},
         .before_step = [&](const StepBatch& batch) { row_counts.push_back(batch.tokens.size()); }});
  Submission asked = beam_submission(1, 160, 5, {.width = 4});
  asked.end_tokens.clear();
  add(asked, 1);
  int64_t pages_max = 0;
  while (!loop_->is_idle()) {
    loop_->step();
    pages_max = std::max(pages_max, loop_->statistics().pages_used);
  }
  EXPECT_EQ(row_counts, (std::vector<size_t>{160, 4, 4, 4, 4}));
  EXPECT_GT(pages_max, 10);
  EXPECT_LE(pages_max, 10 + 4) << "ten of the prompt, one of each beam";
}

// Beside others, in small steps, with too few pages and fewer places than beams: nobody sees it.
TEST_F(StepLoopBeams, CompanyAndPreemptionAreInvisible) {
  for (const int64_t sequence_count_max : {1, 2, 3, 8}) {
    for (const int64_t page_count : {8, 9, 12, 20}) {
      for (const Batching batching : {Batching::kContinuous, Batching::kStatic}) {
        start({.limits = {.vocabulary_size = kVocabulary, .context_length = 128, .page_count = page_count}},
              {.step_token_count_max = 11, .sequence_count_max = sequence_count_max, .batching = batching});
        std::vector<Submission> asked;
        std::vector<Sinks> sinks;
        for (uint64_t i = 0; i < 6; ++i) {
          const auto number = 10 * (i + 1);
          asked.push_back(i % 3 == 2 ? submission(number, 1 + 7 * i, 40)
                                     : beam_submission(number, 1 + 7 * i, 30, {.width = 2 + static_cast<int64_t>(i)}));
          sinks.push_back(add(asked.back(), i % 3 == 2 ? 1 : 2));
        }
        run_until_idle();
        for (size_t i = 0; i < asked.size(); ++i) {
          SCOPED_TRACE(i);
          if (asked[i].request.beams) {
            expect_found(asked[i], sinks[i]);
          } else {
            EXPECT_EQ(sinks[i][0]->tokens().size(), 40u);
          }
        }
        if (page_count == 8) {
          EXPECT_GT(loop_->statistics().preemption_count, 0);
        }
      }
    }
  }
}

// At each step that a search takes, of several answers one, or all.
TEST_F(StepLoopBeams, CancellingLeavesNothingBehind) {
  for (const bool cancels_all : {false, true}) {
    for (int step_count = 0; step_count < 12; ++step_count) {
      start({}, {.step_token_count_max = 16, .sequence_count_max = 8});
      Submission asked = beam_submission(1, 20, 10, {.width = 3});
      asked.end_tokens.clear();
      const Sinks sinks = add(asked, 3);
      const Sinks other = add(submission(50, 20, 30), 1);
      for (int i = 0; i < step_count; ++i) loop_->step();
      const bool has_ended = sinks[0]->summary().has_value();
      for (uint64_t i = 0; i < (cancels_all ? 3 : 1); ++i) loop_->cancel(id(1 + i));
      run_until_idle();
      EXPECT_EQ(other[0]->tokens().size(), 30u);
      if (has_ended) {
        expect_found(asked, sinks);
        continue;
      }
      EXPECT_EQ(sinks[0]->error_code(), ErrorCode::kCancelled);
      EXPECT_EQ(sinks[2]->error_code().has_value(), cancels_all);
      if (cancels_all) continue;
      EXPECT_EQ(sinks[1]->tokens(), ids_of(found_alone(asked)[1].tokens)) << "still the second";
    }
  }
}

TEST_F(StepLoopBeams, AFailingStepOrRowFailsTheWholeSearch) {
  for (const bool throws : {false, true}) {
    int step_count = 0;
    start({.before_step =
               [&](const StepBatch&) {
                 if (++step_count == 3 && throws) throw std::runtime_error("no");
               },
           .after_step =
               [&](std::span<float> logits) {
                 if (step_count == 3) logits[kVocabulary + 5] = std::numeric_limits<float>::quiet_NaN();
               }});
    const Sinks sinks = add(beam_submission(1, 20, 10, {.width = 3}), 2);
    run_until_idle();
    for (const auto& sink : sinks) EXPECT_EQ(sink->error_code(), ErrorCode::kInternal);
    const Sinks next = add(beam_submission(2, 20, 10, {.width = 3}), 2);
    run_until_idle();
    EXPECT_TRUE(next[1]->summary());
  }
}

TEST_F(StepLoopBeams, RulesThatLeaveTooFewAnswersAreAnError) {
  start();
  Submission asked = beam_submission(1, 5, 3, {.width = 3});
  asked.request.sampling.allowed_tokens = {TokenId{1}};
  const Sinks sinks = add(asked, 2);
  run_until_idle();
  EXPECT_EQ(sinks[0]->tokens(), (std::vector<int32_t>{1, 1, 1}));
  EXPECT_EQ(sinks[1]->error_code(), ErrorCode::kInvalidArgument);
}

TEST_F(StepLoopBeams, ScoresThePromptToo) {
  start({}, {.step_token_count_max = 11, .sequence_count_max = 8});
  Submission asked = beam_submission(1, 30, 5, {.width = 3});
  asked.request.prompt_logprobs = 1;
  const Sinks sinks = add(asked, 2);
  run_until_idle();
  expect_found(asked, sinks);
  for (const auto& sink : sinks) {
    ASSERT_EQ(sink->prompt().size(), 30u);
    EXPECT_EQ(sink->prompt()[7].alternatives.size(), 1u);
  }
}

// --- Beside transformers

std::vector<TokenId> tokens_of(const json::value& ids) {
  std::vector<TokenId> tokens;
  for (const json::value& token : ids.as_array()) tokens.push_back(TokenId{static_cast<int32_t>(token.as_int64())});
  return tokens;
}

GenerationRequest request_of(const json::object& expected) {
  GenerationRequest request;
  request.prompt = tokens_of(expected.at("prompt"));
  request.sampling = {.temperature = 0, .ignores_end_tokens = true};
  request.sampling.stop_tokens = tokens_of(expected.at("eos_token_id"));
  if (!expected.at("suppress_tokens").is_null()) {
    request.sampling.banned_tokens = tokens_of(expected.at("suppress_tokens"));
  }
  request.sampling.min_tokens = expected.at("min_new_tokens").as_int64();
  request.sampling.max_tokens = expected.at("max_new_tokens").as_int64();
  const json::value& stopping = expected.at("early_stopping");
  request.beams = {.width = expected.at("num_beams").as_int64(),
                   .length_penalty = expected.at("length_penalty").as_double(),
                   .early_stopping = stopping == true      ? EarlyStopping::kWhenFull
                                     : stopping == "never" ? EarlyStopping::kNever
                                                           : EarlyStopping::kHeuristic};
  return request;
}

TEST(BeamSearchOnAModel, FindsWhatTransformersFinds) {
  const std::filesystem::path golden(kGoldenDir);
  auto bundle = std::make_shared<ModelBundle>(*load_bundle((golden / "arch" / "llama").string()));
  bundle->tokenizer = FakeTokenizer::with_size(bundle->model->spec.vocabulary_size);
  Engine engine(bundle, {.thread_count = 2, .activations = ActivationType::kF32, .context_length = 128});
  const json::value cases = parse_json(read_file(golden / "beams" / "expected.json", 1 << 20), "expected.json");
  std::vector<Sinks> found;
  for (const json::value& expected : cases.as_array()) {  // all at once
    Sinks sinks;
    for (size_t i = 0; i < expected.at("answers").as_array().size(); ++i) {
      sinks.push_back(std::make_shared<RecordingSink>());
    }
    engine.submit(request_of(expected.as_object()), {sinks.begin(), sinks.end()});
    found.push_back(std::move(sinks));
  }
  ASSERT_GE(found.size(), 10u);
  for (size_t number = 0; number < found.size(); ++number) {
    const json::object& expected = cases.as_array()[number].as_object();
    for (size_t i = 0; i < found[number].size(); ++i) {
      SCOPED_TRACE(fmt::format("case {}, answer {}", number, i));
      const RecordingSink& sink = *found[number][i];
      ASSERT_TRUE(found[number][i]->wait());
      ASSERT_TRUE(sink.summary());
      std::vector<TokenId> tokens;
      for (const int32_t token : sink.tokens()) tokens.push_back(TokenId{token});
      EXPECT_EQ(tokens, tokens_of(expected.at("answers").as_array()[i]));
      // Sums of up to 24 log-probabilities in float32 of logits below 10, written with five decimals.
      EXPECT_NEAR(sink.summary()->beam->score, expected.at("scores").as_array()[i].as_double(), 2e-4);
      EXPECT_NEAR(sink.summary()->beam->logprob, expected.at("logprobs").as_array()[i].as_double(), 2e-4);
    }
  }
}

}  // namespace
}  // namespace pelton
