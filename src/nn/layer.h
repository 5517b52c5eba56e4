// What every layer of a network is: a forward and, beside it, the backward of that forward.
//
// A layer reads row-major float32 activations [rows, width] and writes one of its own. It holds its weights and
// options, and no activation: whoever runs the network owns those. The same layer object serves and trains.
#pragma once

#include <cstdint>
#include <optional>
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
// Keeps two, for a layer that reads one and makes the next.
class SharedInput {
 public:
  // Valid until the second call after this one that asks for another value.
  LinearInput& of(const Activation& activation);
  // Forgets: the values of the step before are gone. Every step uses the two in the same order, so that neither grows
  // in a step like an earlier one.
  void start_step() {
    values_[0] = values_[1] = -1;
    latest_ = 0;
  }

 private:
  LinearInput inputs_[2];
  int32_t values_[2] = {-1, -1};
  size_t latest_ = 0;
};

// Everything about a step that is the same for all layers. Lives as long as the step.
struct StepContext {
  Executor* executor = nullptr;
  std::span<const int32_t> tokens;         // [T]
  std::span<const int32_t> positions;      // [T]: where each stands in its sequence
  std::span<const int32_t> token_types;    // [T]: which of two texts it belongs to (BERT); empty: all the first
  std::span<const RopeTable> rope_tables;  // prepared for the T rows' positions; one for each set of parameters
  std::span<const int32_t> selected_rows;  // rows that go on to the logits, ascending
  int64_t largest_count = 0;               // so many of each row's logits are wanted, the largest; 0: all
  LargestRows* largest = nullptr;          // for these
  SharedInput* shared_input = nullptr;

  // Inference: keys and values go to pages and stay there.
  std::span<KvLayerCache> caches;                                       // empty: training
  std::span<const std::span<const AttentionSequence>> cache_sequences;  // by cache: with their pages in it
  // Training and encoders: whole sequences, back to back.
  SequenceOffsets sequences;
  std::optional<uint64_t> dropout_seed;  // of this pass; none: nothing is dropped

  // What adapters make of the products of some rows, by the weight's place in Graph::weights. Empty: no row has one.
  std::span<const std::vector<AdaptedRows>> adapted_rows = {};
  std::span<const AdaptedRows> adapted_rows_of(std::optional<size_t> weight) const {
    return adapted_rows.empty() || !weight ? std::span<const AdaptedRows>() : adapted_rows[*weight];
  }
};

// Where a layer writes an activation.
struct Output {
  float* data;  // [output_rows, width]; never overlaps an input
  int64_t width;
  int32_t value;  // as in Activation
};

// What inference runs: a layer, or several fused into one (nn/fused_layers.h), which have no backward.
class InferenceLayer {
 public:
  virtual ~InferenceLayer() = default;

  // Rows of each output for this step. All layers but the selection of rows keep their first input's.
  virtual int64_t output_rows(const StepContext& step, std::span<const Activation> inputs) const;

  virtual void run(const StepContext& step, std::span<const Activation> inputs,
                   std::span<const Output> outputs) const = 0;
};

class Layer : public InferenceLayer {
 public:
  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const final {
    forward(step, inputs, outputs[0].data, nullptr);
  }

  // Floats that forward must leave for backward, beyond inputs and output, for this step.
  virtual int64_t saved_count(const StepContext& step) const;

  // What backward reads of what forward saw and gave. The rest may be gone by then: its pointers are null.
  struct BackwardReads {
    bool inputs = true;
    bool output = true;
  };
  // `wants_weights`: of the gradients by its weights some are wanted.
  virtual BackwardReads backward_reads(bool wants_weights) const;

  // `output` [output_rows, width] never overlaps an input. `saved` is null where no backward follows.
  virtual void forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                       float* saved) const = 0;

  struct Backward {
    std::span<const Activation> inputs;  // as forward saw them
    const float* output;                 // as forward gave it
    const float* saved;
    const float* d_output;                         // gradient of the loss by the output
    std::span<float* const> d_inputs;              // by each input: assigned; null: not wanted
    float* d_weight;                               // by the weight: added to; null: not wanted
    float* d_bias = nullptr;                       // by the bias, likewise
    std::span<float* const> further_weights = {};  // by the weights of a layer that has many, likewise; empty: none
  };
  virtual void backward(const StepContext& step, const Backward& pass) const = 0;
};

}  // namespace pelton
