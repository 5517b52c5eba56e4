// Layers that work number by number: the residual sum, multiples and bounds, gates and other
// nonlinearities, the choice of rows.
#pragma once

#include "nn/layer.h"
#include "ops/elementwise.h"

namespace pelton {

// y = a + b
class AddLayer final : public Layer {
 public:
  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;
};

// y = factor · x
class ScaleLayer final : public Layer {
 public:
  explicit ScaleLayer(float factor) : factor_(factor) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  float factor_;
};

// y = x ⊙ factors + bias, a factor a column: [W], F32; bias: likewise, or empty.
class ColumnScaleLayer final : public Layer {
 public:
  explicit ColumnScaleLayer(Tensor factors, Tensor bias = {}) : factors_(std::move(factors)), bias_(std::move(bias)) {}

  BackwardReads backward_reads(bool wants_weights) const override { return {.inputs = wants_weights, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  Tensor factors_;
  Tensor bias_;
};

// While training some of x is dropped (ops/elementwise.h), by the step's seed and a salt of the layer's own; else y =
// x.
class DropoutLayer final : public Layer {
 public:
  DropoutLayer(float share, uint64_t salt) : share_(share), salt_(salt) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  void run(const StepContext& step, const float* x, int64_t count, float* y) const;

  float share_;
  uint64_t salt_;
};

// y = cap · tanh(x / cap)
class SoftCapLayer final : public Layer {
 public:
  explicit SoftCapLayer(float cap) : cap_(cap) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = true}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  float cap_;
};

// y = f(gate) · up; inputs: gate, up
class GateLayer final : public Layer {
 public:
  explicit GateLayer(Nonlinearity f) : f_(f) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = true, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  Nonlinearity f_;
};

// y = gelu(x), in one of its two forms
class GeluLayer final : public Layer {
 public:
  explicit GeluLayer(Nonlinearity form) : form_(form) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = true, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  Nonlinearity form_;
};

// y = factor · x, where the file holds the factor. A constant: training leaves it alone, so it has no gradient.
class StoredScaleLayer final : public Layer {
 public:
  explicit StoredScaleLayer(float factor) : factor_(factor) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  float factor_;
};

// Columns [first, first + width) of each part of a row.
class ColumnsLayer final : public Layer {
 public:
  ColumnsLayer(int64_t part_count, int64_t first, int64_t width)
      : part_count_(part_count), first_(first), width_(width) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  int64_t part_count_;
  int64_t first_;
  int64_t width_;
};

// Each part of a row of the first input, and behind it that of the second, which has as many parts or one for all; a
// part of the output is `width` wide, with zeros behind what the inputs give. Inputs: one or two.
class JoinLayer final : public Layer {
 public:
  JoinLayer(int64_t part_count, int64_t width) : part_count_(part_count), width_(width) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  int64_t part_count_;
  int64_t width_;
};

// Keeps the step's selected rows, so that the output matrix works only on rows whose logits somebody wants.
class SelectRowsLayer final : public Layer {
 public:
  int64_t output_rows(const StepContext& step, std::span<const Activation> inputs) const override;
  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;
};

}  // namespace pelton
