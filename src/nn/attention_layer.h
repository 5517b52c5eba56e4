// Attention with grouped query heads. Inputs: queries [T, H·K], keys [T, G·K], values [T, G·K], positions already
// rotated in. Inference of causal models reads and writes the pages of its layer's cache; encoders and training work on
// whole sequences.
#pragma once

#include "nn/layer.h"
#include "tensor/tensor.h"

namespace pelton {

// sinks: [H], F32, or empty.
inline AttentionSinks attention_sinks(const Tensor& sinks) {
  if (sinks.is_empty()) return {};
  return {sinks.floats(), static_cast<size_t>(sinks.shape().element_count())};
}

class AttentionLayer final : public Layer {
 public:
  // cache_index: which of the step's caches is this layer's; not causal: any. sinks: its weight, [H], F32; empty: none.
  AttentionLayer(const AttentionShape& shape, int64_t cache_index, Tensor sinks = {})
      : shape_(shape), cache_index_(cache_index), sinks_(std::move(sinks)) {}

  int64_t saved_count(const StepContext& step) const override;  // log-sum-exp [T, H]
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  AttentionShape shape_;
  int64_t cache_index_;
  Tensor sinks_;
};

}  // namespace pelton
