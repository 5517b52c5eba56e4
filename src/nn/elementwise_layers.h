// Layers without weights that work number by number: the residual sum, the gate of SwiGLU, the choice of rows.
#pragma once

#include "nn/layer.h"

namespace pelton {

// y = a + b
class AddLayer final : public Layer {
 public:
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;
};

// y = silu(gate) · up; inputs: gate, up
class SiluGateLayer final : public Layer {
 public:
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;
};

// Keeps the step's selected rows, so that the output matrix works only on rows whose logits somebody wants.
class SelectRowsLayer final : public Layer {
 public:
  int64_t output_rows(const StepContext& step, std::span<const Activation> inputs) const override;
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;
};

}  // namespace pelton
