#include "nn/embedding_layer.h"

#include "ops/embedding.h"

namespace pelton {

int64_t EmbeddingLayer::output_rows(const StepContext& step, std::span<const Activation>) const {
  return static_cast<int64_t>(step.tokens.size());
}

void EmbeddingLayer::forward(const StepContext& step, std::span<const Activation>, float* output, float*) const {
  const std::span<const int32_t> rows = ids(step);
  embedding(*step.executor, rows_, rows.data(), static_cast<int64_t>(rows.size()), output);
}

void EmbeddingLayer::backward(const StepContext& step, const Backward& pass) const {
  if (pass.d_weight == nullptr) return;
  const std::span<const int32_t> rows = ids(step);
  embedding_backward(*step.executor, pass.d_output, rows.data(), static_cast<int64_t>(rows.size()),
                     rows_.shape().innermost(), pass.d_weight + first_row_ * rows_.shape().innermost());
}

}  // namespace pelton
