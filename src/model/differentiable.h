// A model run for training: the plain list of layer calls forwards, then its reverse.
//
// Gradients of weights add up over calls until cleared; gradients of activations are assigned, and summed where a value
// is read more than once. Everything in float32; every activation is kept.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "model/model.h"
#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

// Sequences for one pass, back to back.
struct TrainingBatch {
  std::vector<int32_t> tokens;   // [T], each in [0, V)
  std::vector<int64_t> offsets;  // ascending; first 0, last T
  std::vector<int32_t> targets;  // [T]: the token that should follow each row; kIgnoredTarget: none
};

// One thread at a time.
class DifferentiableModel {
 public:
  DifferentiableModel(Executor& executor, std::shared_ptr<const Model> model);

  // Logits [T, V], valid until the next forward.
  std::span<const float> forward(const TrainingBatch& batch);
  // Mean cross-entropy of the last forward; adds its gradient by every weight.
  double backward();
  // By canonical name, in the weight's shape. A weight that nothing depends on stays zero.
  const std::map<std::string, Tensor>& gradients() const { return gradients_; }
  void clear_gradients();

 private:
  using Buffer = AlignedArray<float>;

  std::vector<Activation> inputs_of(const LayerCall& call) const;
  void backward_call(size_t index);

  Executor& executor_;
  std::shared_ptr<const Model> model_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::map<std::string, Tensor> gradients_;

  // Of the last forward.
  TrainingBatch batch_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> token_types_;
  std::vector<RopeTable> rope_tables_;
  std::vector<int32_t> all_rows_;
  SharedInput shared_input_;
  StepContext context_;
  std::vector<Buffer> values_;           // by value
  std::vector<Activation> activations_;  // by value
  std::vector<Buffer> saved_;            // by call
  std::vector<Buffer> d_values_;         // by value; empty: no gradient has arrived yet
};

}  // namespace pelton
