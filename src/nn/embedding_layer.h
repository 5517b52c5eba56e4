// Token ids, or positions, to vectors. Reads the step's tokens or positions, no activation.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

enum class EmbeddingIndex : uint8_t { kToken, kPosition };

class EmbeddingLayer final : public Layer {
 public:
  // table: [V, D], or [positions, D], of any decodable type.
  explicit EmbeddingLayer(Tensor table, EmbeddingIndex index = EmbeddingIndex::kToken)
      : table_(std::move(table)), index_(index) {}

  int64_t output_rows(const StepContext& step, std::span<const Activation>) const override;
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  std::span<const int32_t> ids(const StepContext& step) const {
    return index_ == EmbeddingIndex::kToken ? step.tokens : step.positions;
  }

  Tensor table_;
  EmbeddingIndex index_;
};

}  // namespace pelton
