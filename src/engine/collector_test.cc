#include "engine/collector.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"

namespace pelton {
namespace {

GenerationRequest request_for(int64_t token_count) {
  GenerationRequest request;
  request.prompt = {TokenId{1}};
  request.sampling.temperature = 0;
  request.sampling.max_tokens = token_count;
  return request;
}

std::unique_ptr<Engine> make_engine(Duration step_duration = {}) {
  FakeRunner::Options options;
  options.before_step = [step_duration](const StepBatch&) { std::this_thread::sleep_for(step_duration); };
  return std::make_unique<Engine>(fake_bundle(FakeTokenizer::with_size(64), {}), EngineOptions(),
                                  [options] { return std::make_unique<FakeRunner>(options); });
}

TEST(GenerationStream, PiecesMakeTheWholeAnswer) {
  const auto engine = make_engine();
  const CollectedGeneration whole = generate(*engine, request_for(30));
  GenerationStream stream(*engine, request_for(30));
  std::string text;
  size_t token_count = 0;
  while (const auto piece = stream.next()) {
    text += piece->text;
    token_count += piece->tokens.size();
  }
  EXPECT_EQ(text, whole.text);
  EXPECT_EQ(token_count, 30u);
  EXPECT_EQ(stream.summary().completion_tokens, 30);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST(GenerationStream, CancelEndsWithAnErrorAfterThePieces) {
  const auto engine = make_engine(std::chrono::milliseconds(1));
  GenerationStream stream(*engine, request_for(120));
  ASSERT_TRUE(stream.next().has_value());
  stream.cancel();
  try {
    while (stream.next()) {
    }
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST(GenerationStream, WaitForGivesUpInTime) {
  const auto engine = make_engine(std::chrono::milliseconds(50));
  GenerationStream stream(*engine, request_for(1));
  EXPECT_FALSE(stream.wait_for(std::chrono::milliseconds(1)));
  EXPECT_TRUE(stream.wait_for(std::chrono::seconds(30)));
}

TEST(GenerationStream, LeavingCancels) {
  const auto engine = make_engine(std::chrono::milliseconds(1));
  { GenerationStream stream(*engine, request_for(120)); }
  for (int i = 0; i < 3000 && engine->statistics().running_count + engine->statistics().waiting_count > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(engine->statistics().pages_used, 0);
  EXPECT_LT(engine->statistics().step_count, 100);
}

TEST(Generate, ThrowsWhatSubmitThrows) {
  const auto engine = make_engine();
  EXPECT_THROW(generate(*engine, request_for(0)), Error);
}

}  // namespace
}  // namespace pelton
