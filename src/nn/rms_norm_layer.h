// Root-mean-square normalisation with a learned gain, of whole rows or of each head alone.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

class RmsNormLayer final : public Layer {
 public:
  // weight: [D], F32. A row of several times D is that many parts of D, each normed alone with the same weight.
  RmsNormLayer(Tensor weight, float epsilon) : weight_(std::move(weight)), epsilon_(epsilon) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = true, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  int64_t width() const { return weight_.shape()[0]; }
  int64_t part_count(const Activation& x) const { return x.row_count * (x.width / width()); }

  Tensor weight_;
  float epsilon_;
};

}  // namespace pelton
