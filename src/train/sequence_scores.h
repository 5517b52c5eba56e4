// How likely a model finds what it is to learn, or what its head says of it, and the way back from there into its
// weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/differentiable.h"
#include "train/answer_score.h"
#include "train/example.h"

namespace pelton {

// Which rows give scores.
enum class ScoredRows : uint8_t {
  kLearnt,  // those that a learnt token follows: its log-probability
  kLast,    // of each sequence the last: what the model's head says of all of it
};
// Of a model: kLast where it has a head (model/score_head.h).
ScoredRows scored_rows(const Model& model);

// Some sequences in one pass, back to back. What follows the last row that gives a score has no say, and is left out.
class SequenceBatch {
 public:
  SequenceBatch(std::span<const TrainingSequence* const> sequences, ScoredRows scored);

  const TrainingBatch& rows() const { return rows_; }
  size_t sequence_count() const { return score_offsets_.size() - 1; }
  int64_t score_count() const { return static_cast<int64_t>(targets_.size()); }
  // Of all scores, in order: the learnt token, or the head's label, of which there is one.
  std::span<const int32_t> targets() const { return targets_; }
  // Of an array with one number for each score, those of a sequence.
  template <typename T>
  std::span<T> of_sequence(std::span<T> all, size_t sequence) const {
    return all.subspan(score_offsets_[sequence], score_offsets_[sequence + 1] - score_offsets_[sequence]);
  }

 private:
  void add_up_to_last_learnt(const TrainingSequence& sequence);
  void add_whole(const TrainingSequence& sequence);

  TrainingBatch rows_;
  std::vector<int32_t> targets_;
  std::vector<size_t> score_offsets_;  // of each sequence, and the end
};

// All sequences of these examples, in order.
std::vector<const TrainingSequence*> sequences_of(std::span<const Example* const> examples);

// The batch's scores, in order. Leaves the model ready for the backward.
std::vector<float> score_sequences(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch);
// Of each of the batch's sequences, which have learnt tokens.
std::vector<AnswerScore> score_answers(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch);
// After score_sequences(): adds the gradients by the model's weights, given those by the scores.
void backward_scores(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                     std::span<const float> d_scores);
// Both, where the gradient by each score is known before: logits are made once.
std::vector<float> score_and_backward(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                                      float d_score);

}  // namespace pelton
