#include "engine/embedding_loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "engine/fake_runner.h"

namespace pelton {
namespace {

class RecordingSink final : public EmbeddingSink {
 public:
  void on_finish(std::vector<std::vector<float>> embeddings) override { result = std::move(embeddings); }
  void on_error(const Error& failure) override { error = failure; }
  std::optional<std::vector<std::vector<float>>> result;
  std::optional<Error> error;
};

std::vector<TokenId> tokens_of(const std::vector<int32_t>& ids) {
  std::vector<TokenId> tokens;
  for (const int32_t id : ids) tokens.push_back(static_cast<TokenId>(id));
  return tokens;
}

std::vector<int32_t> numbers(int32_t first, int32_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// What pooling means, in plain words.
std::vector<float> expected_embedding(const std::vector<int32_t>& ids, const EmbeddingLimits& limits, Pooling pooling,
                                      bool normalizes, size_t dimensions) {
  const std::vector<float> rows = FakeRunner::hidden_of(ids, limits);
  const auto width = static_cast<size_t>(limits.width);
  std::vector<double> pooled(dimensions);
  for (size_t row = 0; row < ids.size(); ++row) {
    if (pooling == Pooling::kCls && row > 0) continue;
    if (pooling == Pooling::kLastToken && row + 1 < ids.size()) continue;
    const double share = pooling == Pooling::kMean ? 1.0 / static_cast<double>(ids.size()) : 1;
    for (size_t i = 0; i < dimensions; ++i) pooled[i] += share * static_cast<double>(rows[row * width + i]);
  }
  double squares = 0;
  for (const double value : pooled) squares += value * value;
  std::vector<float> embedding;
  for (const double value : pooled) {
    embedding.push_back(static_cast<float>(normalizes ? value / std::sqrt(squares) : value));
  }
  return embedding;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6f) << i;
}

class EmbeddingLoopTest : public testing::TestWithParam<bool> {
 protected:
  static constexpr int64_t kWidth = 5;
  FakeRunner::Options runner_options() {
    FakeRunner::Options options;
    options.limits = {
        .vocabulary_size = 1000,
        .context_length = 100,
        .page_count = 3,
        .page_token_count = 4,
        .embedding = {
            .width = kWidth, .token_count_max = 80, .page_count = GetParam() ? 0 : 20, .is_bidirectional = GetParam()}};
    options.before_step = [this](const StepBatch& batch) {
      steps.push_back(batch.sequences.size());
      if (fails) throw std::runtime_error("no power");
    };
    return options;
  }
  std::shared_ptr<RecordingSink> add(uint64_t id, const std::vector<std::vector<int32_t>>& inputs, Pooling pooling,
                                     bool normalizes = true, std::optional<int64_t> dimensions = std::nullopt) {
    auto sink = std::make_shared<RecordingSink>();
    EmbeddingRequest request{.inputs = {}, .pooling = pooling, .normalizes = normalizes, .dimensions = dimensions};
    for (const auto& input : inputs) request.inputs.push_back(tokens_of(input));
    loop.add({RequestId{id}, std::move(request), sink});
    return sink;
  }
  void run() {
    for (int i = 0; i < 100 && !loop.is_idle(); ++i) loop.step();
    EXPECT_TRUE(loop.is_idle());
  }

  bool fails = false;
  std::vector<size_t> steps;  // sequences of each
  FakeRunner runner{runner_options()};
  EmbeddingLoop loop{{.runner = runner, .step_token_count_max = 16, .sequence_count_max = 8}};
  const EmbeddingLimits limits = runner.limits().embedding;
};

TEST(EmbeddingLoopPages, LieBehindThoseOfAnswersInLayersOfEitherKind) {
  int64_t page_count = 0;
  FakeRunner::Options options;
  options.limits = {.vocabulary_size = 1000,
                    .context_length = 100,
                    .page_count = 3,
                    .local_pages = WindowPages{7, 6},
                    .page_token_count = 4,
                    .embedding = {.width = 5, .token_count_max = 80, .page_count = 20}};
  options.before_step = [&](const StepBatch& batch) {
    ASSERT_EQ(batch.local_pages.size(), batch.sequences.size());
    for (size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::span<const int32_t> pages = batch.sequences[i].pages;
      ASSERT_EQ(batch.local_pages[i].size(), pages.size());
      for (size_t page = 0; page < pages.size(); ++page) {
        EXPECT_GE(pages[page], 3);
        EXPECT_EQ(batch.local_pages[i][page] - 7, pages[page] - 3);
        ++page_count;
      }
    }
  };
  FakeRunner runner(options);
  EmbeddingLoop loop({.runner = runner, .step_token_count_max = 16, .sequence_count_max = 8});
  const auto sink = std::make_shared<RecordingSink>();
  EmbeddingRequest request{.inputs = {tokens_of(numbers(1, 9))}, .pooling = Pooling::kMean};
  loop.add({RequestId{1}, std::move(request), sink});
  while (!loop.is_idle()) loop.step();
  EXPECT_TRUE(sink->result);
  EXPECT_EQ(page_count, 3);
}

TEST_P(EmbeddingLoopTest, PoolsWhateverStepsATextIsCutInto) {
  for (const Pooling pooling : {Pooling::kCls, Pooling::kMean, Pooling::kLastToken}) {
    for (const bool normalizes : {true, false}) {
      const std::vector<std::vector<int32_t>> inputs = {numbers(1, 3), numbers(50, 40), {7}, numbers(200, 17)};
      const auto sink = add(1, inputs, pooling, normalizes);
      run();
      ASSERT_TRUE(sink->result);
      ASSERT_EQ(sink->result->size(), inputs.size());
      for (size_t i = 0; i < inputs.size(); ++i) {
        expect_near((*sink->result)[i], expected_embedding(inputs[i], limits, pooling, normalizes, kWidth));
      }
    }
  }
}

TEST_P(EmbeddingLoopTest, FewerDimensionsAreOfLengthOneAgain) {
  const auto sink = add(1, {numbers(3, 9)}, Pooling::kMean, true, 2);
  run();
  expect_near(sink->result->at(0), expected_embedding(numbers(3, 9), limits, Pooling::kMean, true, 2));
}

TEST_P(EmbeddingLoopTest, RequestsShareAStep) {
  const auto a = add(1, {numbers(1, 4), numbers(9, 4)}, Pooling::kMean);
  const auto b = add(2, {numbers(1, 4)}, Pooling::kCls);
  run();
  EXPECT_EQ(steps, std::vector<size_t>{3});
  EXPECT_TRUE(a->result && b->result);
}

TEST_P(EmbeddingLoopTest, ACancelledRequestIsGone) {
  const auto a = add(1, {numbers(1, 40), numbers(9, 4)}, Pooling::kMean);
  const auto b = add(2, {numbers(1, 4)}, Pooling::kCls);
  loop.step();
  loop.cancel(RequestId{1});
  loop.cancel(RequestId{1});
  run();
  if (!GetParam()) {
    EXPECT_EQ(a->error.value().code(), ErrorCode::kCancelled) << "amid its first text";
  }
  EXPECT_TRUE(b->result);
}

TEST_P(EmbeddingLoopTest, AFailingStepFailsItsRequestsAlone) {
  const auto a = add(1, {numbers(1, 16)}, Pooling::kMean);
  const auto b = add(2, {numbers(1, 4)}, Pooling::kMean);
  fails = true;
  loop.step();
  fails = false;
  EXPECT_EQ(a->error.value().code(), ErrorCode::kInternal);
  EXPECT_FALSE(b->error);
  run();
  EXPECT_TRUE(b->result);
}

TEST_P(EmbeddingLoopTest, StatisticsTellWaitingFromRunning) {
  add(1, {numbers(1, 16)}, Pooling::kMean);
  add(2, {numbers(1, 16)}, Pooling::kMean);
  EngineStatistics before;
  loop.add_to(before);
  EXPECT_EQ(before.waiting_count, 2);
  loop.step();
  EngineStatistics after;
  loop.add_to(after);
  EXPECT_EQ(after.waiting_count, 1);
  EXPECT_EQ(after.step_row_count, 16);
  loop.fail_all(Error(ErrorCode::kUnavailable, "over"));
  EXPECT_TRUE(loop.is_idle());
}

INSTANTIATE_TEST_SUITE_P(Models, EmbeddingLoopTest, testing::Bool(),
                         [](const auto& test) { return test.param ? "WholeTexts" : "Chunks"; });

}  // namespace
}  // namespace pelton
