#include "nn/rms_norm_layer.h"

#include "ops/norm.h"

namespace pelton {

void RmsNormLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  const Activation& x = inputs[0];
  rms_norm(*step.executor, x.data, weight_.floats(), epsilon_, part_count(x), width(), output);
}

void RmsNormLayer::backward(const StepContext& step, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  rms_norm_backward(*step.executor, x.data, weight_.floats(), epsilon_, pass.d_output, part_count(x), width(),
                    {pass.d_inputs[0], pass.d_weight});
}

}  // namespace pelton
