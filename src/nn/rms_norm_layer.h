// Root-mean-square normalisation with a learned gain.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

class RmsNormLayer final : public Layer {
 public:
  // weight: [D], F32.
  RmsNormLayer(Tensor weight, float epsilon) : weight_(std::move(weight)), epsilon_(epsilon) {}

  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  Tensor weight_;
  float epsilon_;
};

}  // namespace pelton
