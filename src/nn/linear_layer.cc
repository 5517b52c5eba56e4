#include "nn/linear_layer.h"

#include "ops/elementwise.h"

namespace pelton {

void LinearLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  linear(*step.executor, step.shared_input->of(inputs[0]), weight_, output, step.adapted_rows_of(place_));
  if (!bias_.is_empty()) {
    add_bias(*step.executor, bias_.floats(), inputs[0].row_count, weight_.output_size(), output);
  }
}

void LinearLayer::backward(const StepContext& step, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  if (pass.d_inputs[0] != nullptr && transposed_) {
    static thread_local LinearInput d_output;
    d_output.set(pass.d_output, x.row_count, transposed_->input_size());
    linear(*step.executor, d_output, *transposed_, pass.d_inputs[0]);
  } else if (pass.d_inputs[0] != nullptr) {
    linear_backward_input(*step.executor, pass.d_output, weight_.tensor(), x.row_count, pass.d_inputs[0]);
  }
  if (pass.d_weight != nullptr) {
    linear_backward_weight(*step.executor, x.data, pass.d_output, x.row_count, weight_.input_size(),
                           weight_.output_size(), pass.d_weight);
  }
  if (pass.d_bias != nullptr) {
    add_bias_backward(*step.executor, pass.d_output, x.row_count, weight_.output_size(), pass.d_bias);
  }
}

}  // namespace pelton
