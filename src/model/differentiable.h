// A model run for training: the plain list of layer calls forwards, then its reverse.
//
// Gradients of weights add up over calls until cleared; gradients of activations are assigned, and summed where a value
// is read more than once. Everything in float32, unless asked
// otherwise. An activation is kept for as long as somebody reads it, forwards or
// backwards; gradients that nobody asked for are not computed. With checkpointing a layer's activations are computed
// again when its backward comes, to the same bits (model/activation_plan.h).
//
// Two ways to use it. With forward() and backward() the logits are there as a whole, to compare them with others'.
// Training asks for logits some rows at a time, and only of rows that have a target: the whole [T, V] never exists.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "model/activation_plan.h"
#include "model/buffer_pool.h"
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

class DifferentiableModel;

struct DifferentiableOptions {
  // Canonical names of the weights whose gradients are wanted; none: of all.
  std::optional<std::set<std::string>> trained;
  // Matrices of linear layers, but of adapters, are kept in BF16, and rows that meet them are rounded likewise, with
  // sums in float32: nearly twice as fast where the processor has such products. Twice two bytes a weight. What stays
  // for the backward alone stays in BF16 too; queries, keys and values are rounded before attention sees them, so that
  // its two ways see the same.
  bool uses_bf16 = false;
  ActivationCheckpointing checkpointing = ActivationCheckpointing::kNone;
  // Another model on the same weights, whose matrices in BF16 this one shares. Read by the constructor alone.
  const DifferentiableModel* shares_with = nullptr;
  // Of read_logits() and backward_body(): few enough rows at once to stay small, enough to make the output matrix worth
  // decoding for them. 32 MB.
  int64_t logits_at_once = int64_t{8} << 20;
  // Nothing is computed, and no memory taken: passes only find out how much they would take (pass_bytes_max()).
  // Weights need not be of their true types then.
  bool only_counts = false;
};

// One thread at a time.
class DifferentiableModel {
 public:
  DifferentiableModel(Executor& executor, std::shared_ptr<const Model> model, DifferentiableOptions options = {});

  // Logits [T, V], valid until the next forward.
  std::span<const float> forward(const TrainingBatch& batch);
  // Mean cross-entropy of the last forward; adds its gradient by every weight.
  double backward();

  // All of the list that comes before the logits' rows are chosen. Returns how many have a target: S.
  int64_t forward_body(const TrainingBatch& batch);
  // Of the passes that come: what dropout layers drop; none: nothing.
  void set_dropout_seed(std::optional<uint64_t> seed) { dropout_seed_ = seed; }
  // After forward_body(): the logits [n, V] of these of the S rows, in order, until all have been seen.
  using LogitsReader = FunctionRef<void(Range rows, const float* logits)>;
  void read_logits(LogitsReader read);
  // The same, once: `replace` puts the gradient of the loss by the logits in their place. Adds the gradient by every
  // weight that is wanted.
  using LogitsReplacer = FunctionRef<void(Range rows, float* logits)>;
  void backward_body(LogitsReplacer replace);

  const Model& model() const { return *model_; }
  // By canonical name, in the weight's shape. A weight that nothing depends on stays zero.
  const std::map<std::string, Tensor>& gradients() const { return gradients_; }
  std::map<std::string, Tensor>& gradients() { return gradients_; }
  void clear_gradients();
  // The most that activations and their gradients have taken at once.
  size_t pass_bytes_max() const { return pool_.bytes_max() + half_pool_.bytes_max(); }
  // Of the matrices in BF16.
  int64_t rounded_bytes() const { return rounded_bytes_; }
  // After weights that are trained have got other values, unless they are adapters': what layers derive from them is
  // made anew.
  void weights_changed();

 private:
  using Buffer = BufferPool::Buffer;
  struct Gradient {
    Buffer buffer;
    float* data = nullptr;     // of a part of somebody's buffer: where it shall be
    bool has_arrived = false;  // the first assigns, others add
  };

  bool is_wanted(const std::string& weight) const { return !weight.empty() && gradients_.contains(weight); }
  void start(const TrainingBatch& batch, std::vector<int32_t> selected_rows);
  void forward_segments();
  void backward_segments();
  void forward_call(size_t index, bool has_backward);
  void forward_tail();
  void backward_calls(size_t begin, size_t end);
  void backward_call(size_t index);
  void recompute(const PlanSegment& segment);
  std::vector<Activation> inputs_of(const LayerCall& call) const;
  void release_inputs(size_t index);
  void release(ValueId value);
  void round(ValueId value);
  void halve(ValueId value);
  void widen(ValueId value);
  void widen_what_backward_reads(size_t index);
  template <typename Body>
  void for_each_chunk(Body body);

  Executor& executor_;
  std::shared_ptr<const Model> model_;
  RoundedMatrices rounded_;
  std::vector<std::unique_ptr<Layer>> layers_;
  int64_t logits_at_once_;
  bool uses_bf16_;
  bool only_counts_;
  int64_t rounded_bytes_ = 0;
  std::optional<uint64_t> dropout_seed_;
  std::map<std::string, Tensor> gradients_;
  ActivationPlan plan_;
  std::vector<bool> is_rounded_;  // by value: attention reads it, and then the backward what stays of it in BF16

  // Of the last forward.
  TrainingBatch batch_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> token_types_;
  std::vector<RopeTable> rope_tables_;
  std::vector<int32_t> selected_rows_;
  SharedInput shared_input_;
  StepContext context_;
  BufferPool pool_;
  BufferPool half_pool_;
  std::vector<Buffer> values_;           // by value; empty: gone
  std::vector<Buffer> halves_;           // by value: what has become of it, two numbers in a float's place
  std::vector<Activation> activations_;  // by value
  std::vector<Buffer> saved_;            // by call
  std::vector<Gradient> d_values_;       // by value
};

}  // namespace pelton
