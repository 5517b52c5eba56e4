#include "train/sequence_scores.h"

#include "base/check.h"
#include "ops/cross_entropy.h"

namespace pelton {

SequenceBatch::SequenceBatch(std::span<const TrainingSequence* const> sequences) {
  rows_.offsets.push_back(0);
  learnt_offsets_.push_back(0);
  for (const TrainingSequence* sequence : sequences) {
    size_t row_count = 0;  // a row for each token that comes before a learnt one
    for (size_t i = 1; i < sequence->tokens.size(); ++i) {
      if (sequence->is_learnt[i]) row_count = i;
    }
    for (size_t i = 0; i < row_count; ++i) {
      const bool has_target = sequence->is_learnt[i + 1];
      rows_.tokens.push_back(sequence->tokens[i]);
      rows_.targets.push_back(has_target ? sequence->tokens[i + 1] : kIgnoredTarget);
      if (has_target) targets_.push_back(sequence->tokens[i + 1]);
    }
    rows_.offsets.push_back(static_cast<int64_t>(rows_.tokens.size()));
    learnt_offsets_.push_back(targets_.size());
  }
}

std::vector<const TrainingSequence*> sequences_of(std::span<const Example* const> examples) {
  std::vector<const TrainingSequence*> sequences;
  for (const Example* example : examples) {
    for (const TrainingSequence& sequence : example->sequences) sequences.push_back(&sequence);
  }
  return sequences;
}

std::vector<float> score_sequences(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch) {
  const int64_t vocabulary_size = model.model().spec.vocabulary_size;
  std::vector<float> scores(static_cast<size_t>(batch.learnt_count()));
  CHECK(model.forward_body(batch.rows()) == batch.learnt_count());
  model.read_logits([&](Range rows, const float* logits) {
    target_log_probabilities(executor,
                             {logits, batch.targets().data() + rows.begin, rows.end - rows.begin, vocabulary_size},
                             scores.data() + rows.begin);
  });
  return scores;
}

void backward_scores(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                     std::span<const float> d_scores) {
  const int64_t vocabulary_size = model.model().spec.vocabulary_size;
  model.backward_body([&](Range rows, float* logits) {
    target_log_probabilities_backward(
        executor, {logits, batch.targets().data() + rows.begin, rows.end - rows.begin, vocabulary_size},
        d_scores.data() + rows.begin, logits);
  });
}

std::vector<float> score_and_backward(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                                      float d_score) {
  const int64_t vocabulary_size = model.model().spec.vocabulary_size;
  std::vector<float> scores(static_cast<size_t>(batch.learnt_count()));
  const std::vector<float> d_scores(scores.size(), d_score);
  CHECK(model.forward_body(batch.rows()) == batch.learnt_count());
  model.backward_body([&](Range rows, float* logits) {
    const TargetLogits part{logits, batch.targets().data() + rows.begin, rows.end - rows.begin, vocabulary_size};
    target_log_probabilities(executor, part, scores.data() + rows.begin);
    target_log_probabilities_backward(executor, part, d_scores.data() + rows.begin, logits);
  });
  return scores;
}

}  // namespace pelton
