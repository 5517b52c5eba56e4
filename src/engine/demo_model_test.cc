// The whole engine on the demo model.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>

#include "base/error.h"
#include "engine/collector.h"
#include "engine/engine.h"

namespace pelton {
namespace {

std::shared_ptr<const ModelBundle> demo_bundle() {
  static const std::shared_ptr<const ModelBundle> bundle = []() -> std::shared_ptr<const ModelBundle> {
    const char* path = std::getenv("PELTON_DEMO_MODEL");
    try {
      return load_bundle(path != nullptr ? path : "smollm2-135m-instruct-q4_1");
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      return nullptr;
    }
  }();
  return bundle;
}

const std::vector<std::string> kPrompts{
    "The capital of France is",     "Once upon a time", "To make bread you need", "def fibonacci(n):",
    "The three laws of motion are", "Water boils at",   "My favourite colour is", "In the year 1969,",
};

class EngineOnDemoModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (demo_bundle() == nullptr) return;
    EngineOptions options;
    options.context_length = 512;
    options.step_token_count_max = 32;
    engine_ = std::make_unique<Engine>(demo_bundle(), options);
  }
  static void TearDownTestSuite() { engine_.reset(); }
  void SetUp() override {
    if (engine_ == nullptr) GTEST_SKIP() << "no demo model; scripts/fetch-demo-model gets it";
  }

  static GenerationRequest request_for(const std::string& prompt, int64_t max_tokens) {
    GenerationRequest request;
    request.prompt = demo_bundle()->tokenizer->encode(prompt, {});
    request.sampling.temperature = 0;
    request.sampling.max_tokens = max_tokens;
    return request;
  }
  // All prompts in one batch.
  static std::vector<CollectedGeneration> generate_together(int64_t max_tokens) {
    std::vector<std::future<CollectedGeneration>> answers;
    for (const std::string& prompt : kPrompts) {
      answers.push_back(std::async(
          std::launch::async, [&prompt, max_tokens] { return generate(*engine_, request_for(prompt, max_tokens)); }));
    }
    std::vector<CollectedGeneration> collected;
    for (auto& answer : answers) collected.push_back(answer.get());
    return collected;
  }
  static std::vector<TokenId> ids(const std::vector<SampledToken>& tokens) {
    std::vector<TokenId> ids;
    for (const SampledToken& token : tokens) ids.push_back(token.token);
    return ids;
  }

  static inline std::unique_ptr<Engine> engine_;
};

// With 8-bit activations a row gives the same bits whatever stands beside it (ops/linear.h).
TEST_F(EngineOnDemoModel, SaysTheSameAloneAndInABatch) {
  constexpr int64_t kTokenCount = 16;
  const int64_t steps_before = engine_->statistics().step_count;
  std::vector<std::vector<TokenId>> alone;
  for (const std::string& prompt : kPrompts) {
    alone.push_back(ids(generate(*engine_, request_for(prompt, kTokenCount)).tokens));
  }
  const int64_t steps_alone = engine_->statistics().step_count - steps_before;
  const std::vector<CollectedGeneration> together = generate_together(kTokenCount);
  for (size_t i = 0; i < kPrompts.size(); ++i) EXPECT_EQ(ids(together[i].tokens), alone[i]) << kPrompts[i];
  const int64_t steps_together = engine_->statistics().step_count - steps_before - steps_alone;
  EXPECT_LT(steps_together, steps_alone / 2);  // steps were shared
}

TEST_F(EngineOnDemoModel, StreamedTextIsTheDecodedText) {
  for (const CollectedGeneration& answer : generate_together(32)) {
    EXPECT_EQ(answer.text, demo_bundle()->tokenizer->decode(ids(answer.tokens), true));
  }
}

TEST_F(EngineOnDemoModel, StopStringEndsTheAnswerBeforeIt) {
  const CollectedGeneration whole = generate(*engine_, request_for(kPrompts[0], 12));
  ASSERT_GT(whole.text.size(), 12u);
  const std::string stop = whole.text.substr(7, 4);
  GenerationRequest request = request_for(kPrompts[0], 12);
  request.sampling.stops = {stop};
  const CollectedGeneration answer = generate(*engine_, request);
  EXPECT_EQ(answer.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_EQ(answer.summary.reason, FinishReason::kStop);
  EXPECT_EQ(answer.summary.stop, stop);
  EXPECT_LT(answer.tokens.size(), whole.tokens.size());
}

TEST_F(EngineOnDemoModel, GreedyTokenIsTheFirstAlternative) {
  GenerationRequest request = request_for(kPrompts[1], 8);
  request.sampling.logprobs = 5;
  for (const SampledToken& token : generate(*engine_, request).tokens) {
    ASSERT_EQ(token.alternatives.size(), 5u);
    EXPECT_EQ(token.alternatives[0].token, token.token);
    EXPECT_EQ(token.alternatives[0].logprob, token.logprob);
    EXPECT_LE(*token.logprob, 0);
    EXPECT_GE(token.alternatives[0].logprob, token.alternatives[1].logprob);
  }
}

TEST_F(EngineOnDemoModel, CancelFreesPages) {
  GenerationRequest request = request_for(kPrompts[1], 300);
  request.sampling.ignores_end_tokens = true;
  {
    GenerationStream stream(*engine_, request);
    // The statistics of a step follow its tokens: those of the first are there when the second step's token is.
    ASSERT_TRUE(stream.next().has_value());
    ASSERT_TRUE(stream.next().has_value());
    EXPECT_GT(engine_->statistics().pages_used, 0);
  }
  for (int i = 0; i < 5000 && engine_->statistics().pages_used > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(engine_->statistics().pages_used, 0);
}

TEST_F(EngineOnDemoModel, RefusesAContextLongerThanTheModels) {
  EngineOptions options;
  options.context_length = int64_t{1} << 40;
  try {
    Engine engine(demo_bundle(), options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parameter(), "context_length");
  }
}

TEST_F(EngineOnDemoModel, RefusesMemoryForLessThanOneContext) {
  EngineOptions options;
  options.kv_bytes_max = 1 << 20;
  try {
    Engine engine(demo_bundle(), options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  }
}

}  // namespace
}  // namespace pelton
