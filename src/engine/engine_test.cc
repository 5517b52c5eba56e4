#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "engine/collector.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "engine/recording_sink.h"

namespace pelton {
namespace {

constexpr int64_t kVocabularySize = 64;
constexpr int64_t kContextLength = 128;

GenerationRequest request_of(const std::vector<int32_t>& prompt, std::optional<int64_t> max_tokens) {
  GenerationRequest request;
  for (const int32_t token : prompt) request.prompt.push_back(TokenId{token});
  request.sampling.temperature = 0;
  request.sampling.max_tokens = max_tokens;
  return request;
}

std::vector<int32_t> greedy_answer(std::vector<int32_t> history, size_t count) {
  std::vector<int32_t> answer;
  while (answer.size() < count) {
    answer.push_back(FakeRunner::next_token(history, kVocabularySize));
    history.push_back(answer.back());
  }
  return answer;
}

std::unique_ptr<Engine> make_engine(FakeRunner::Options options = {}, const EngineOptions& engine_options = {}) {
  return std::make_unique<Engine>(fake_bundle(FakeTokenizer::with_size(kVocabularySize), {}), engine_options,
                                  [options] { return std::make_unique<FakeRunner>(options); });
}

// A runner that stands still until it is let go.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

template <typename Call>
ErrorCode error_of(const Call& call, std::string* message = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.message();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kUsage;
}

TEST(Engine, Answers) {
  const auto engine = make_engine();
  const CollectedGeneration answer = generate(*engine, request_of({1, 2, 3}, 20));
  std::vector<int32_t> tokens;
  for (const SampledToken& token : answer.tokens) tokens.push_back(index_of(token.token));
  EXPECT_EQ(tokens, greedy_answer({1, 2, 3}, 20));
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.summary.reason, FinishReason::kLength);
  EXPECT_EQ(engine->statistics().pages_used, 0);
  EXPECT_EQ(engine->context_length(), kContextLength);
}

TEST(Engine, WithoutMaxTokensFillsTheContext) {
  const auto engine = make_engine();
  const CollectedGeneration answer = generate(*engine, request_of(std::vector<int32_t>(100, 1), std::nullopt));
  EXPECT_EQ(answer.tokens.size(), 28u);
  EXPECT_EQ(generate(*engine, request_of(std::vector<int32_t>(127, 1), std::nullopt)).tokens.size(), 1u);
}

TEST(Engine, RefusesWhatCannotFitTheContext) {
  const auto engine = make_engine();
  const auto sink = std::make_shared<RecordingSink>();
  std::string message;
  EXPECT_EQ(error_of([&] { engine->submit(request_of(std::vector<int32_t>(128, 1), std::nullopt), sink); }, &message),
            ErrorCode::kContextTooLong);
  EXPECT_NE(message.find("128 tokens"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] { engine->submit(request_of(std::vector<int32_t>(100, 1), 29), sink); }, &message),
            ErrorCode::kContextTooLong);
  EXPECT_EQ(
      message,
      "100 tokens of prompt and max_tokens 29 are more than this model's context of 128; shorten the prompt or ask "
      "for at most 28 tokens");
  EXPECT_EQ(generate(*engine, request_of(std::vector<int32_t>(100, 1), 28)).tokens.size(), 28u);
}

TEST(Engine, RefusesMoreBeamsThanItComputesAtOnce) {
  const auto engine = make_engine({}, {.sequence_count_max = 3});
  GenerationRequest request = request_of({1, 2, 3}, 5);
  request.beams = BeamOptions{.width = 4};
  std::string message;
  EXPECT_EQ(error_of([&] { generate(*engine, request); }, &message), ErrorCode::kInvalidArgument);
  EXPECT_EQ(message, "num_beams must be at most 3, as many sequences as are computed at once, got 4");
  request.beams->width = 3;
  EXPECT_TRUE(generate(*engine, request).summary.beam);
}

TEST(Engine, RefusesBadRequests) {
  const auto engine = make_engine();
  const auto refusal = [&](const GenerationRequest& request) {
    return error_of([&] { engine->submit(request, std::make_shared<RecordingSink>()); });
  };
  EXPECT_EQ(refusal(request_of({}, 1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(request_of({kVocabularySize}, 1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(request_of({-1}, 1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(request_of({1}, 0)), ErrorCode::kInvalidArgument);
}

TEST(Engine, RefusesMoreThanItsQueueHolds) {
  Gate gate;
  EngineOptions options;
  options.queue_length_max = 2;
  options.sequence_count_max = 1;
  const auto engine = make_engine({.before_step = [&](const StepBatch&) { gate.wait(); }}, options);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  int accepted_count = 0;
  try {
    for (; accepted_count < 100; ++accepted_count) {
      auto sink = std::make_shared<RecordingSink>();
      engine->submit(request_of({1}, 1), sink);
      sinks.push_back(std::move(sink));
    }
    ADD_FAILURE() << "everything was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  }
  EXPECT_GE(accepted_count, 2);
  EXPECT_LE(accepted_count, 3);  // one may run already
  gate.open();
  for (const auto& sink : sinks) EXPECT_TRUE(sink->wait());
  EXPECT_EQ(generate(*engine, request_of({1}, 1)).tokens.size(), 1u);
}

TEST(Engine, ErrorsOfStartingReachTheCaller) {
  const auto bundle = fake_bundle(FakeTokenizer::with_size(kVocabularySize), {});
  EXPECT_EQ(error_of([&] {
              Engine(bundle, {}, []() -> std::unique_ptr<StepRunner> {
                throw Error(ErrorCode::kResourceExhausted, "too little memory");
              });
            }),
            ErrorCode::kResourceExhausted);
  EngineOptions options;
  options.sequence_count_max = 0;
  EXPECT_EQ(error_of([&] { make_engine({}, options); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { Engine(fake_bundle(nullptr, {}), {}, RunnerFactory()); }), ErrorCode::kUnsupported);
}

TEST(Engine, StopEndsWhatIsUnfinished) {
  Gate gate;
  auto engine = make_engine({.before_step = [&](const StepBatch&) { gate.wait(); }});
  const auto running = std::make_shared<RecordingSink>();
  engine->submit(request_of({1}, 100), running);
  const auto waiting = std::make_shared<RecordingSink>();
  engine->submit(request_of({1}, 100), waiting);
  std::thread stopper([&] { engine.reset(); });
  gate.open();
  stopper.join();
  for (const auto& sink : {running, waiting}) {
    ASSERT_TRUE(sink->wait());
    // The answer may have been complete before the engine saw that it was to stop.
    EXPECT_TRUE(sink->summary().has_value() || sink->error_code() == ErrorCode::kUnavailable);
  }
}

TEST(Engine, GoesOnAfterAFailedStep) {
  std::atomic<bool> fails = true;
  const auto engine = make_engine({.before_step = [&](const StepBatch&) {
    if (fails.exchange(false)) throw std::runtime_error("broken");
  }});
  EXPECT_EQ(error_of([&] { generate(*engine, request_of({1}, 5)); }), ErrorCode::kInternal);
  EXPECT_EQ(generate(*engine, request_of({1}, 5)).tokens.size(), 5u);
}

TEST(Engine, SeedsMakeAnswersRepeatable) {
  GenerationRequest request = request_of({1, 2}, 40);
  request.sampling.temperature = 1.5;
  const auto text_of = [&](uint64_t engine_seed) {
    EngineOptions options;
    options.seed = engine_seed;
    const auto engine = make_engine({}, options);
    return generate(*engine, request).text + "|" + generate(*engine, request).text;
  };
  EXPECT_EQ(text_of(1), text_of(1));
  EXPECT_NE(text_of(1), text_of(2));
  EXPECT_NE(text_of(0), text_of(0));  // from the system
  request.sampling.seed = 3;
  EXPECT_EQ(text_of(1), text_of(2));
}

TEST(Engine, ServesManyClientsThatComeAndGo) {
  constexpr int kClientCount = 16;
  constexpr int kRequestsPerClient = 40;
  EngineOptions options;
  options.step_token_count_max = 24;
  options.sequence_count_max = 12;
  const auto engine = make_engine(
      {.limits = {.vocabulary_size = kVocabularySize, .context_length = kContextLength, .page_count = 20}}, options);
  std::atomic<int64_t> complete_count = 0;
  std::atomic<int64_t> cancelled_count = 0;
  const auto run_client = [&](uint64_t seed) {
    Rng rng(seed);
    for (int i = 0; i < kRequestsPerClient; ++i) {
      std::vector<int32_t> prompt;
      for (uint64_t n = 1 + rng.next_below(60); n > 0; --n)
        prompt.push_back(static_cast<int32_t>(rng.next_below(kVocabularySize)));
      const size_t count = 1 + rng.next_below(40);
      const auto sink = std::make_shared<RecordingSink>();
      const RequestId id = engine->submit(request_of(prompt, static_cast<int64_t>(count)), sink);
      if (rng.next_below(3) == 0) {
        ASSERT_TRUE(sink->wait_for_tokens(rng.next_below(count)));
        engine->cancel(id);
      }
      ASSERT_TRUE(sink->wait()) << "seed " << seed;
      const std::vector<int32_t> expected = greedy_answer(prompt, count);
      const std::vector<int32_t> tokens = sink->tokens();
      if (sink->summary()) {
        ASSERT_EQ(tokens, expected) << "seed " << seed;
        ++complete_count;
      } else {
        ASSERT_EQ(sink->error_code(), ErrorCode::kCancelled);
        ASSERT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.begin())) << "seed " << seed;
        ++cancelled_count;
      }
    }
  };
  std::vector<std::thread> clients;
  for (uint64_t seed = 1; seed <= kClientCount; ++seed) clients.emplace_back(run_client, seed);
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(complete_count + cancelled_count, kClientCount * kRequestsPerClient);
  EXPECT_GT(cancelled_count, 0);
  const EngineStatistics statistics = engine->statistics();
  EXPECT_EQ(statistics.pages_used, 0);
  EXPECT_EQ(statistics.running_count + statistics.waiting_count, 0);
  EXPECT_GT(statistics.step_row_count, statistics.step_count);  // steps were shared
}

}  // namespace
}  // namespace pelton
