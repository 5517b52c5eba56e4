// Rotates each head of its input [T, heads · K] by the row's position, as one of the step's tables says.
#pragma once

#include "nn/layer.h"

namespace pelton {

class RopeLayer final : public Layer {
 public:
  RopeLayer(int64_t table_index, const RopeShape& shape) : table_index_(table_index), shape_(shape) {}

  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  void rotate(const StepContext& step, RopeDirection direction, float* x) const;

  int64_t table_index_;
  RopeShape shape_;
};

}  // namespace pelton
