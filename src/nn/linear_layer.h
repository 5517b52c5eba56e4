// y = x · Wᵀ, or x · Wᵀ + bias. The weight may lie in any element type; its gradient is float32. It may be kept
// in BF16: rows, forwards and backwards, are rounded likewise, sums are float32, and so is all of its gradient.
#pragma once

#include <optional>

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

class LinearLayer final : public Layer {
 public:
  // bias: [N], F32; empty: none. place: in Graph::weights, by which it finds what adapters add; none: no adapter knows
  // it.
  explicit LinearLayer(LinearWeight weight, Tensor bias = {}, std::optional<size_t> place = {})
      : weight_(std::move(weight)), bias_(std::move(bias)), place_(place) {}
  // Both of LinearWeight::rounded().
  LinearLayer(LinearWeight weight, LinearWeight transposed, Tensor bias)
      : weight_(std::move(weight)), transposed_(std::move(transposed)), bias_(std::move(bias)) {}

  BackwardReads backward_reads(bool wants_weights) const override { return {.inputs = wants_weights, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  LinearWeight weight_;
  std::optional<LinearWeight> transposed_;  // of a weight in BF16
  Tensor bias_;
  std::optional<size_t> place_;
};

}  // namespace pelton
