#include "eval/text_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "engine/fake_runner.h"
#include "eval/byte_tokenizer.h"

namespace pelton {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kSeed = 3;

std::string random_text(size_t size) {
  Rng rng(kSeed);
  std::string text;
  for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('a' + rng.next_below(26)));
  return text;
}

TextChunks chunks_of(size_t byte_count, int64_t token_count) {
  return {ByteTokenizer(false), random_text(byte_count), {.token_count = token_count}};
}

FakeRunner::Options fake_options(int64_t context_length, int64_t page_count) {
  FakeRunner::Options options;
  options.limits = {.vocabulary_size = 257, .context_length = context_length, .page_count = page_count};
  return options;
}

TextEvaluation evaluate(const TextChunks& chunks, FakeRunner::Options options) {
  FakeRunner runner(std::move(options));
  return evaluate_text(chunks, {.model = runner}, [](const EvaluationProgress&) {});
}

// One chunk after the other, one token a step: nothing shared, nothing cut.
std::vector<double> plain_nlls(const TextChunks& chunks) {
  constexpr int64_t kPages = 64;
  std::vector<double> nlls;
  for (int64_t chunk = 0; chunk < chunks.count(); ++chunk) {
    FakeRunner runner(fake_options(kPages * KvLayerCache::kPageTokens, kPages));
    std::vector<int32_t> pages(kPages);
    std::iota(pages.begin(), pages.end(), 0);
    for (int64_t row = 0; row + 1 < chunks.token_count(); ++row) {
      StepBatch batch;
      batch.tokens = {chunks[chunk][static_cast<size_t>(row)]};
      batch.sequences = {{.row_begin = 0, .row_count = 1, .first_position = row, .pages = pages}};
      batch.logit_rows = {0};
      const std::span<const float> logits = runner.step(batch);
      if (row < chunks.token_count() / 2) continue;
      double sum = 0;
      for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
      const auto next = static_cast<size_t>(chunks[chunk][static_cast<size_t>(row + 1)]);
      nlls.push_back(std::log(sum) - static_cast<double>(logits[next]));
    }
  }
  return nlls;
}

void expect_plain(const TextChunks& chunks, const TextEvaluation& evaluation) {
  const std::vector<double> nlls = plain_nlls(chunks);
  EXPECT_EQ(evaluation.perplexity.token_count, static_cast<int64_t>(nlls.size()));
  const double mean = std::accumulate(nlls.begin(), nlls.end(), 0.0) / static_cast<double>(nlls.size());
  // The logarithm of a sum of exponentials with a relative error below 1e-6 (ops/logits_row.h).
  EXPECT_NEAR(evaluation.perplexity.mean_nll, mean, 1e-6);
  EXPECT_NEAR(evaluation.bits_per_byte, mean / std::log(2.0), 1e-5);  // a token is a byte
}

// 48 rows a chunk: ten share a step, the last group is smaller.
TEST(TextEvaluation, ShortChunksShareAStep) {
  const TextChunks chunks = chunks_of(48 * 23, 48);
  int64_t step_count = 0;
  FakeRunner::Options options = fake_options(48, 64);
  options.before_step = [&](const StepBatch& batch) {
    EXPECT_EQ(batch.sequences.size(), step_count < 2 ? 10u : 3u);
    ++step_count;
  };
  expect_plain(chunks, evaluate(chunks, options));
  EXPECT_EQ(step_count, 3);
}

TEST(TextEvaluation, FewPagesMeanSmallGroups) {
  const TextChunks chunks = chunks_of(48 * 5, 48);
  expect_plain(chunks, evaluate(chunks, fake_options(48, 7)));  // 3 pages a chunk: two at once
}

TEST(TextEvaluation, LongChunksAreCut) {
  const TextChunks chunks = chunks_of(1000 * 2 + 10, 1000);
  FakeRunner::Options options = fake_options(1000, 63);
  options.before_step = [](const StepBatch& batch) {
    EXPECT_EQ(batch.sequences.size(), 1u);
    EXPECT_LE(static_cast<int64_t>(batch.tokens.size()), kEvaluationStepRows);
  };
  expect_plain(chunks, evaluate(chunks, options));
}

// The last token of a chunk alone in its step, which predicts nothing that is scored.
TEST(TextEvaluation, ACutBeforeTheLastToken) {
  const TextChunks chunks = chunks_of(kEvaluationStepRows + 1, kEvaluationStepRows + 1);
  expect_plain(chunks, evaluate(chunks, fake_options(kEvaluationStepRows + 1, 33)));
}

TEST(TextEvaluation, ReportsProgress) {
  const TextChunks chunks = chunks_of(48 * 23, 48);
  FakeRunner runner(fake_options(48, 64));
  std::vector<int64_t> done;
  double last = 0;
  const TextEvaluation evaluation = evaluate_text(chunks, {.model = runner}, [&](const EvaluationProgress& progress) {
    EXPECT_EQ(progress.chunk_count, 23);
    done.push_back(progress.chunks_done);
    last = progress.perplexity;
  });
  EXPECT_THAT(done, testing::ElementsAre(10, 20, 23));
  EXPECT_EQ(last, evaluation.perplexity.value);
  EXPECT_FALSE(evaluation.reference);
}

TEST(TextEvaluation, ComparesWithAReference) {
  const TextChunks chunks = chunks_of(48 * 4, 48);
  FakeRunner exact(fake_options(48, 64));
  FakeRunner same(fake_options(48, 64));
  FakeRunner::Options spoilt_options = fake_options(48, 64);
  spoilt_options.after_step = [](std::span<float> logits) {
    for (size_t i = 0; i < logits.size(); i += 257) logits[i] += 100;  // token 0, whatever was said
  };
  FakeRunner spoilt(spoilt_options);
  const auto ignore = [](const EvaluationProgress&) {};

  const TextEvaluation equal = evaluate_text(chunks, {.model = same, .reference = &exact}, ignore);
  ASSERT_TRUE(equal.reference);
  EXPECT_EQ(equal.reference->perplexity.value, equal.perplexity.value);
  EXPECT_NEAR(equal.reference->divergence.max, 0, 1e-6);
  EXPECT_EQ(equal.reference->divergence.top1_agreement, 1);

  const TextEvaluation differing = evaluate_text(chunks, {.model = spoilt, .reference = &exact}, ignore);
  EXPECT_EQ(differing.reference->perplexity.value, equal.perplexity.value);
  EXPECT_EQ(differing.reference->divergence.token_count, differing.perplexity.token_count);
  EXPECT_GT(differing.reference->divergence.median, 50);
  EXPECT_LT(differing.reference->divergence.top1_agreement, 0.1);
}

TEST(TextEvaluation, SaysWhereLogitsAreNotFinite) {
  FakeRunner::Options options = fake_options(48, 3);  // one chunk a step
  int64_t step = 0;
  options.after_step = [&step](std::span<float> logits) {
    if (step++ == 1) logits[5 * 257 + 7] = std::numeric_limits<float>::quiet_NaN();
  };
  try {
    evaluate(chunks_of(48 * 3, 48), options);
    FAIL() << "NaN was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_THAT(error.message(), AllOf(HasSubstr("chunk 1"), HasSubstr("token 29")));  // row 24 + 5
  }
}

TEST(TextEvaluation, NamesATokenThatTheModelLacks) {
  FakeRunner::Options options = fake_options(48, 64);
  options.limits.vocabulary_size = 'a';
  try {
    evaluate(chunks_of(48, 48), options);
    FAIL() << "a token outside the vocabulary was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptFile);
    EXPECT_THAT(error.message(), HasSubstr("only 97 tokens"));
  }
}

}  // namespace
}  // namespace pelton
