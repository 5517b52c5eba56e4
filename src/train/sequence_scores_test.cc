#include "train/sequence_scores.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/golden_dir.h"
#include "model/bundle.h"
#include "train/trainer.h"

namespace pelton {
namespace {

// Given tokens, and the answer to them.
Example example_of(std::vector<int32_t> given, const std::vector<int32_t>& answer) {
  TrainingSequence sequence{std::move(given), {}};
  sequence.is_learnt.assign(sequence.tokens.size(), false);
  sequence.tokens.insert(sequence.tokens.end(), answer.begin(), answer.end());
  sequence.is_learnt.resize(sequence.tokens.size(), true);
  return {.place = "test", .sequences = {sequence}, .is_desirable = std::nullopt};
}

class AnswerScoresTest : public testing::Test {
 protected:
  AnswerScoresTest() {
    recipe_.rank = 2;
    recipe_.batch_size = 2;
  }

  Trainer trainer() { return {executor_, model_, recipe_, {example_of({5, 6}, {7, 8})}}; }

  Executor executor_{2};
  std::shared_ptr<const Model> model_ = load_bundle((std::filesystem::path(kGoldenDir) / "arch/llama").string())->model;
  TuneRecipe recipe_;
};

TEST_F(AnswerScoresTest, TogetherAreTheLossOfTheEvaluation) {
  Trainer trainer = this->trainer();
  const std::vector<Example> examples = {example_of({1, 2, 3}, {4, 5}), example_of({9}, {8, 7, 6}),
                                         example_of({3, 3}, {1})};
  const std::vector<AnswerScore> scores = trainer.score_answers(examples);
  ASSERT_EQ(scores.size(), 3U);
  double nll = 0;
  int64_t token_count = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].token_count, examples[i].learnt_count());
    // Alone as in a batch.
    EXPECT_EQ(trainer.score_answers({&examples[i], 1}).front(), scores[i]);
    nll += scores[i].nll;
    token_count += scores[i].token_count;
  }
  EXPECT_NEAR(trainer.evaluate(examples).loss, nll / static_cast<double>(token_count), 1e-6);
}

TEST_F(AnswerScoresTest, AnAnswerIsGreedyWhereGreedySamplingSaysIt) {
  Trainer trainer = this->trainer();
  const std::vector<int32_t> given = {1, 20, 3};
  const std::vector<int32_t> said = trainer.continue_greedily(given, 4, {});
  ASSERT_EQ(said.size(), 4U);
  EXPECT_TRUE(trainer.score_answers(std::vector<Example>{example_of(given, said)}).front().is_greedy);
  for (size_t i = 0; i < said.size(); ++i) {
    std::vector<int32_t> other = said;
    other[i] = other[i] == 0 ? 1 : 0;
    EXPECT_FALSE(trainer.score_answers(std::vector<Example>{example_of(given, other)}).front().is_greedy) << i;
  }
}

}  // namespace
}  // namespace pelton
