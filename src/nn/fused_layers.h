// Several layers in one, for inference: fewer regions and fewer passes over the activations. Each gives the bits of the
// chain of plain layers that it stands for (model/fusion.h says which), which is what it is tested against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nn/layer.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "tensor/tensor.h"

namespace pelton {

// Whether a layer leaves the int8 form of its last output, for the matrices that read it next.
enum class LeavesInt8 : bool { kNo, kYes };

// The norm of x, with its int8 form. Outputs: the norm.
class QuantisingRmsNormLayer final : public InferenceLayer {
 public:
  // weight: [D], F32.
  QuantisingRmsNormLayer(Tensor weight, float epsilon) : weight_(std::move(weight)), epsilon_(epsilon) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  Tensor weight_;
  float epsilon_;
};

// The residual sum and its norm. Inputs: a, b; outputs: a + b, the norm.
class AddRmsNormLayer final : public InferenceLayer {
 public:
  // weight: [D], F32.
  AddRmsNormLayer(Tensor weight, float epsilon, LeavesInt8 leaves_int8)
      : weight_(std::move(weight)), epsilon_(epsilon), leaves_int8_(leaves_int8) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  Tensor weight_;
  float epsilon_;
  LeavesInt8 leaves_int8_;
};

// A matrix and its place in Graph::weights, by which it finds what adapters add to its products.
struct PlacedWeight {
  LinearWeight weight;
  std::optional<size_t> place = {};  // none: no adapter knows it
};

// The two matrices of a gated feed-forward block and its gate. Inputs: x; outputs: f(x · gateᵀ) · (x · upᵀ).
class GatedLinearLayer final : public InferenceLayer {
 public:
  GatedLinearLayer(PlacedWeight gate, PlacedWeight up, Nonlinearity f, LeavesInt8 leaves_int8)
      : gate_(std::move(gate)), up_(std::move(up)), f_(f), leaves_int8_(leaves_int8) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  PlacedWeight gate_;
  PlacedWeight up_;
  Nonlinearity f_;
  LeavesInt8 leaves_int8_;
};

// The matrices that make queries, keys and values of the same rows, and how these are normed and rotated.
struct HeadProjections {
  struct One {
    PlacedWeight weight;
    Tensor bias = {};  // [N], F32; empty: none
    Tensor norm = {};  // [K], F32, of each head; empty: none
    float norm_epsilon = 0;
    std::optional<size_t> rope_table_index = {};  // absent: not rotated
  };
  One query, key, value;
};

// Inputs: x; outputs: queries, keys, values.
class QueryKeyValueLayer final : public InferenceLayer {
 public:
  QueryKeyValueLayer(HeadProjections projections, const AttentionShape& shape)
      : projections_(std::move(projections)), shape_(shape) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  HeadProjections projections_;
  AttentionShape shape_;
};

// The same, but keys and values go to the pages. Inputs: x; outputs: queries.
class QueryKeyValueWriteLayer final : public InferenceLayer {
 public:
  QueryKeyValueWriteLayer(HeadProjections projections, const AttentionShape& shape, int64_t cache_index)
      : projections_(std::move(projections)), shape_(shape), cache_index_(cache_index) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  HeadProjections projections_;
  AttentionShape shape_;
  int64_t cache_index_;
};

// The attention whose keys and values are in the pages already. Inputs: queries; outputs: what they gathered.
class PagedAttentionLayer final : public InferenceLayer {
 public:
  // sinks: [H], F32; empty: none.
  PagedAttentionLayer(const AttentionShape& shape, int64_t cache_index, Tensor sinks)
      : shape_(shape), cache_index_(cache_index), sinks_(std::move(sinks)) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  AttentionShape shape_;
  int64_t cache_index_;
  Tensor sinks_;
};

// The output matrix. Where a step wants only the largest logits of each row, it gives these and no output.
class LogitsTopKLayer final : public InferenceLayer {
 public:
  explicit LogitsTopKLayer(PlacedWeight weight) : weight_(std::move(weight)) {}

  void run(const StepContext& step, std::span<const Activation> inputs, std::span<const Output> outputs) const override;

 private:
  PlacedWeight weight_;
};

}  // namespace pelton
