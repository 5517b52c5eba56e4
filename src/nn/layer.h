// What every layer of a network is: a forward and, beside it, the backward of that forward.
//
// A layer reads row-major float32 activations [rows, width] and writes one of its own. It holds its weights and
// options, and no activation: whoever runs the network owns those. The same layer object serves and trains.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ops/attention.h"
#include "ops/executor.h"
#include "ops/linear.h"
#include "ops/rope.h"

namespace pelton {

struct Activation {
  const float* data = nullptr;  // [row_count, width]
  int64_t row_count = 0;
  int64_t width = 0;
  int32_t value =
      0;  // which value of the network this is: layers that read the same one share what they derive from it
};

// Derived from a step's activations and shared by neighbouring layers: the int8 form of what several matrices read.
class SharedInput {
 public:
  LinearInput& of(const Activation& activation);
  // Forgets: the values of the step before are gone.
  void start_step() { value_ = -1; }

 private:
  LinearInput input_;
  int32_t value_ = -1;
};

// Everything about a step that is the same for all layers. Lives as long as the step.
struct StepContext {
  Executor* executor = nullptr;
  std::span<const int32_t> tokens;         // [T]
  std::span<const RopeTable> rope_tables;  // prepared for the T rows' positions; one for each set of parameters
  std::span<const int32_t> selected_rows;  // rows that go on to the logits, ascending
  SharedInput* shared_input = nullptr;

  // Inference: keys and values go to pages and stay there.
  std::span<const AttentionSequence> paged_sequences;
  std::span<KvLayerCache> caches;  // empty: training
  // Training: whole sequences, back to back.
  SequenceOffsets sequences;
};

class Layer {
 public:
  virtual ~Layer() = default;

  // Rows of the output for this step. All layers but the selection of rows keep their input's.
  virtual int64_t output_rows(const StepContext& step, std::span<const Activation> inputs) const;

  // Floats that forward must leave for backward, beyond inputs and output, for this step.
  virtual int64_t saved_count(const StepContext& step) const;

  // `output` [output_rows, width] never overlaps an input. `saved` is null where no backward follows.
  virtual void forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                       float* saved) const = 0;

  struct Backward {
    std::span<const Activation> inputs;  // as forward saw them
    const float* output;                 // as forward gave it
    const float* saved;
    const float* d_output;             // gradient of the loss by the output
    std::span<float* const> d_inputs;  // by each input: assigned; null: not wanted
    float* d_weight;                   // by the weight: added to; null: not wanted
  };
  virtual void backward(const StepContext& step, const Backward& pass) const = 0;
};

}  // namespace pelton
