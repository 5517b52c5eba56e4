// Token ids to vectors. Reads the step's tokens, no activation.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

class EmbeddingLayer final : public Layer {
 public:
  // table: [V, D] of any decodable type.
  explicit EmbeddingLayer(Tensor table) : table_(std::move(table)) {}

  int64_t output_rows(const StepContext& step, std::span<const Activation>) const override;
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  Tensor table_;
};

}  // namespace pelton
