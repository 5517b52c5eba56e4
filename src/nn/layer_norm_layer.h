// Layer normalisation with a learned gain and bias, of whole rows or of each head alone.
#pragma once

#include "nn/layer.h"
#include "ops/norm.h"
#include "tensor/tensor.h"

namespace pelton {

class LayerNormLayer final : public Layer {
 public:
  // weight, bias: [D], or [H, K] for heads, F32.
  LayerNormLayer(Tensor weight, Tensor bias, float epsilon)
      : weight_(std::move(weight)), bias_(std::move(bias)), epsilon_(epsilon) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = true, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  LayerNorm pass_of(const Activation& x) const;

  Tensor weight_;
  Tensor bias_;
  float epsilon_;
};

}  // namespace pelton
