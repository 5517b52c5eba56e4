#include "nn/rope_layer.h"

#include <algorithm>

namespace pelton {

void RopeLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  std::copy_n(inputs[0].data, inputs[0].row_count * inputs[0].width, output);
  rotate(step, RopeDirection::kForward, output);
}

void RopeLayer::backward(const StepContext& step, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  std::copy_n(pass.d_output, x.row_count * x.width, pass.d_inputs[0]);
  rotate(step, RopeDirection::kBackward, pass.d_inputs[0]);
}

void RopeLayer::rotate(const StepContext& step, RopeDirection direction, float* x) const {
  rope(*step.executor, step.rope_tables[static_cast<size_t>(table_index_)], direction, shape_, x);
}

}  // namespace pelton
