#include "nn/layer_norm_layer.h"

#include "ops/norm.h"

namespace pelton {

void LayerNormLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  const Activation& x = inputs[0];
  layer_norm(*step.executor, {x.data, weight_.floats(), bias_.floats(), epsilon_, x.row_count, x.width}, output);
}

void LayerNormLayer::backward(const StepContext& step, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  layer_norm_backward(*step.executor, {x.data, weight_.floats(), bias_.floats(), epsilon_, x.row_count, x.width},
                      pass.d_output, {pass.d_inputs[0], pass.d_weight, pass.d_bias});
}

}  // namespace pelton
