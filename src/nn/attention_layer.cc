#include "nn/attention_layer.h"

#include "base/check.h"

namespace pelton {

int64_t AttentionLayer::saved_count(const StepContext& step) const {
  return static_cast<int64_t>(step.tokens.size()) * shape_.query_head_count;
}

void AttentionLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                             float* saved) const {
  const float* q = inputs[0].data;
  const float* k = inputs[1].data;
  const float* v = inputs[2].data;
  if (!shape_.is_causal || step.caches.empty()) {
    attention(*step.executor, shape_, step.sequences, q, k, v, output, saved, attention_sinks(sinks_));
    return;
  }
  const auto index = static_cast<size_t>(cache_.index);
  KvLayerCache& cache = step.caches[index];
  const std::span<const AttentionSequence> sequences = step.cache_sequences[index];
  if (cache_.writes) kv_write(*step.executor, shape_, sequences, k, v, cache);
  paged_attention(*step.executor, shape_, sequences, q, cache, output, attention_sinks(sinks_));
}

void AttentionLayer::backward(const StepContext& step, const Backward& pass) const {
  CHECK(pass.d_inputs[0] != nullptr && pass.d_inputs[1] != nullptr && pass.d_inputs[2] != nullptr);
  const AttentionForward forward{pass.inputs[0].data, pass.inputs[1].data, pass.inputs[2].data,
                                 pass.output,         pass.saved,          attention_sinks(sinks_)};
  attention_backward(*step.executor, shape_, step.sequences, forward, pass.d_output,
                     {pass.d_inputs[0], pass.d_inputs[1], pass.d_inputs[2], pass.d_weight});
}

}  // namespace pelton
