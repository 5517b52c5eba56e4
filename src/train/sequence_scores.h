// How likely a model finds what it is to learn, and the way back from there into its weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/differentiable.h"
#include "train/example.h"

namespace pelton {

// Some sequences in one pass, back to back. What follows the last learnt token of one has no say, and is left out.
class SequenceBatch {
 public:
  explicit SequenceBatch(std::span<const TrainingSequence* const> sequences);

  const TrainingBatch& rows() const { return rows_; }
  size_t sequence_count() const { return learnt_offsets_.size() - 1; }
  int64_t learnt_count() const { return static_cast<int64_t>(targets_.size()); }
  std::span<const int32_t> targets() const { return targets_; }  // learnt tokens of all, in order
  // Of an array with one number for each learnt token, those of a sequence.
  template <typename T>
  std::span<T> of_sequence(std::span<T> all, size_t sequence) const {
    return all.subspan(learnt_offsets_[sequence], learnt_offsets_[sequence + 1] - learnt_offsets_[sequence]);
  }

 private:
  TrainingBatch rows_;
  std::vector<int32_t> targets_;
  std::vector<size_t> learnt_offsets_;  // of each sequence, and the end
};

// All sequences of these examples, in order.
std::vector<const TrainingSequence*> sequences_of(std::span<const Example* const> examples);

// Log-probabilities of the batch's learnt tokens, in order. Leaves the model ready for the backward.
std::vector<float> score_sequences(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch);
// After score_sequences(): adds the gradients by the model's weights, given those by the log-probabilities.
void backward_scores(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                     std::span<const float> d_scores);
// Both, where the gradient by each score is known before: logits are made once.
std::vector<float> score_and_backward(Executor& executor, DifferentiableModel& model, const SequenceBatch& batch,
                                      float d_score);

}  // namespace pelton
