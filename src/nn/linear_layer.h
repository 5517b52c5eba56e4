// y = x · Wᵀ. The weight may lie in any element type; its gradient is float32.
#pragma once

#include "nn/layer.h"

namespace pelton {

class LinearLayer final : public Layer {
 public:
  explicit LinearLayer(LinearWeight weight) : weight_(std::move(weight)) {}

  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  LinearWeight weight_;
};

}  // namespace pelton
