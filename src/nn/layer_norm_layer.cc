#include "nn/layer_norm_layer.h"

namespace pelton {

LayerNorm LayerNormLayer::pass_of(const Activation& x) const {
  return {x.data, weight_.floats(), bias_.floats(), epsilon_, x.row_count, x.width, weight_.shape().innermost()};
}

void LayerNormLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  layer_norm(*step.executor, pass_of(inputs[0]), output);
}

void LayerNormLayer::backward(const StepContext& step, const Backward& pass) const {
  layer_norm_backward(*step.executor, pass_of(pass.inputs[0]), pass.d_output,
                      {pass.d_inputs[0], pass.d_weight, pass.d_bias});
}

}  // namespace pelton
