// Token ids, positions or token types to vectors. Reads these of the step, no activation.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

enum class EmbeddingIndex : uint8_t { kToken, kPosition, kTokenType };

class EmbeddingLayer final : public Layer {
 public:
  // table: [V, D], [positions, D] or [token types, D], of any decodable type; `first_row` is that of index 0.
  explicit EmbeddingLayer(Tensor table, EmbeddingIndex index = EmbeddingIndex::kToken, int64_t first_row = 0)
      : rows_(table.rows(first_row, table.shape()[0] - first_row)), index_(index), first_row_(first_row) {}

  int64_t output_rows(const StepContext& step, std::span<const Activation>) const override;
  BackwardReads backward_reads(bool) const override { return {.inputs = false, .output = false}; }
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  std::span<const int32_t> ids(const StepContext& step) const {
    if (index_ == EmbeddingIndex::kTokenType) return step.token_types;
    return index_ == EmbeddingIndex::kToken ? step.tokens : step.positions;
  }

  Tensor rows_;  // from that of index 0 on
  EmbeddingIndex index_;
  int64_t first_row_;
};

}  // namespace pelton
