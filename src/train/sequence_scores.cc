#include "train/sequence_scores.h"

#include <algorithm>

#include "base/check.h"
#include "ops/cross_entropy.h"

namespace pelton {

namespace {

// Some of a batch's rows of logits, or of its head's scores.
struct RowsOfLogits {
  const SequenceBatch& batch;
  const Model& model;
  Range rows;

  bool are_scores() const { return model.spec.label_count > 0; }
  TargetLogits with_targets(const float* logits) const {
    return {logits, batch.targets().data() + rows.begin, rows.end - rows.begin, model.spec.vocabulary_size};
  }
  void read(Executor& executor, const float* logits, std::vector<float>& scores) const {
    float* of_rows = scores.data() + rows.begin;
    if (are_scores()) {
      std::copy_n(logits, rows.end - rows.begin, of_rows);
    } else {
      target_log_probabilities(executor, with_targets(logits), of_rows);
    }
  }
  // Of each row, whether no token is likelier than its target; of equals the first counts, as in greedy sampling.
  void find_likeliest(Executor& executor, const float* logits, std::vector<uint8_t>& are_likeliest) const {
    const int64_t vocabulary_size = model.spec.vocabulary_size;
    executor.parallel_for(rows.end - rows.begin, 1, [&](Range some) {
      for (int64_t row = some.begin; row < some.end; ++row) {
        const float* of_row = logits + row * vocabulary_size;
        const auto index = static_cast<size_t>(rows.begin + row);
        are_likeliest[index] = std::max_element(of_row, of_row + vocabulary_size) - of_row == batch.targets()[index];
      }
    });
  }
  // The gradient by the logits in their place, given that by the scores.
  void replace(Executor& executor, std::span<const float> d_scores, float* logits) const {
    const float* of_rows = d_scores.data() + rows.begin;
    if (are_scores()) {
      std::copy_n(of_rows, rows.end - rows.begin, logits);
    } else {
      target_log_probabilities_backward(executor, with_targets(logits), of_rows, logits);
    }
  }
};

}  // namespace

ScoredRows scored_rows(const Model& model) {
  return model.spec.label_count > 0 ? ScoredRows::kLast : ScoredRows::kLearnt;
}

SequenceBatch::SequenceBatch(std::span<const TrainingSequence* const> sequences, ScoredRows scored) {
  rows_.offsets.push_back(0);
  score_offsets_.push_back(0);
  for (const TrainingSequence* sequence : sequences) {
    if (scored == ScoredRows::kLearnt) {
      add_up_to_last_learnt(*sequence);
    } else {
      add_whole(*sequence);
    }
    rows_.offsets.push_back(static_cast<int64_t>(rows_.tokens.size()));
    score_offsets_.push_back(targets_.size());
  }
}

void SequenceBatch::add_up_to_last_learnt(const TrainingSequence& sequence) {
  size_t row_count = 0;  // a row for each token that comes before a learnt one
  for (size_t i = 1; i < sequence.tokens.size(); ++i) {
    if (sequence.is_learnt[i]) row_count = i;
  }
  for (size_t i = 0; i < row_count; ++i) {
    const bool has_target = sequence.is_learnt[i + 1];
    rows_.tokens.push_back(sequence.tokens[i]);
    rows_.targets.push_back(has_target ? sequence.tokens[i + 1] : kIgnoredTarget);
    if (has_target) targets_.push_back(sequence.tokens[i + 1]);
  }
}

void SequenceBatch::add_whole(const TrainingSequence& sequence) {
  constexpr int32_t kOnlyLabel = 0;
  rows_.tokens.insert(rows_.tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
  rows_.targets.resize(rows_.tokens.size(), kIgnoredTarget);
  rows_.targets.back() = kOnlyLabel;
  targets_.push_back(kOnlyLabel);
}

std::vector<const TrainingSequence*> sequences_of(std::span<const Example* const> examples) {
  std::vector<const TrainingSequence*> sequences;
  for (const Example* example : examples) {
    for (const TrainingSequence& sequence : example->sequences) sequences.push_back(&sequence);
  }
  return sequences;
}

std::vector<float> score_sequences(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch) {
  std::vector<float> scores(static_cast<size_t>(batch.score_count()));
  CHECK(model.forward_body(batch.rows()) == batch.score_count());
  model.read_logits([&](Range rows, const float* logits) {
    RowsOfLogits{batch, model.model(), rows}.read(executor, logits, scores);
  });
  return scores;
}

std::vector<AnswerScore> score_answers(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch) {
  std::vector<float> log_probabilities(static_cast<size_t>(batch.score_count()));
  std::vector<uint8_t> are_likeliest(log_probabilities.size());
  CHECK(model.forward_body(batch.rows()) == batch.score_count());
  model.read_logits([&](Range rows, const float* logits) {
    const RowsOfLogits part{batch, model.model(), rows};
    part.read(executor, logits, log_probabilities);
    part.find_likeliest(executor, logits, are_likeliest);
  });
  std::vector<AnswerScore> scores;
  for (size_t sequence = 0; sequence < batch.sequence_count(); ++sequence) {
    AnswerScore& score = scores.emplace_back();
    for (const float one : batch.of_sequence(std::span<const float>(log_probabilities), sequence)) {
      score.nll -= static_cast<double>(one);
      ++score.token_count;
    }
    const std::span<const uint8_t> likeliest = batch.of_sequence(std::span<const uint8_t>(are_likeliest), sequence);
    score.is_greedy = std::all_of(likeliest.begin(), likeliest.end(), [](uint8_t one) { return one != 0; });
  }
  return scores;
}

void backward_scores(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                     std::span<const float> d_scores) {
  model.backward_body([&](Range rows, float* logits) {
    RowsOfLogits{batch, model.model(), rows}.replace(executor, d_scores, logits);
  });
}

std::vector<float> score_and_backward(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                                      float d_score) {
  std::vector<float> scores(static_cast<size_t>(batch.score_count()));
  const std::vector<float> d_scores(scores.size(), d_score);
  CHECK(model.forward_body(batch.rows()) == batch.score_count());
  model.backward_body([&](Range rows, float* logits) {
    const RowsOfLogits part{batch, model.model(), rows};
    part.read(executor, logits, scores);
    part.replace(executor, d_scores, logits);
  });
  return scores;
}

}  // namespace pelton
