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
  // Of the step's caches; not causal: any. writes: false where an earlier layer has put the same keys and values there.
  struct Cache {
    int64_t index;
    bool writes = true;
  };
  // sinks: its weight, [H], F32; empty: none.
  AttentionLayer(const AttentionShape& shape, Cache cache, Tensor sinks = {})
      : shape_(shape), cache_(cache), sinks_(std::move(sinks)) {}

  int64_t saved_count(const StepContext& step) const override;  // log-sum-exp [T, H]
  void forward(const StepContext& step, std::span<const Activation> inputs, float* output, float* saved) const override;
  void backward(const StepContext& step, const Backward& pass) const override;

 private:
  AttentionShape shape_;
  Cache cache_;
  Tensor sinks_;
};

}  // namespace pelton
