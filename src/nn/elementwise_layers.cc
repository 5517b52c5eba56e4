#include "nn/elementwise_layers.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace pelton {
namespace {

int64_t element_count(const Activation& x) { return x.row_count * x.width; }

}  // namespace

void AddLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  add(*step.executor, inputs[0].data, inputs[1].data, element_count(inputs[0]), output);
}

void AddLayer::backward(const StepContext&, const Backward& pass) const {
  for (size_t i = 0; i < 2; ++i) {
    if (pass.d_inputs[i] != nullptr) std::copy_n(pass.d_output, element_count(pass.inputs[i]), pass.d_inputs[i]);
  }
}

void ScaleLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  scale(*step.executor, inputs[0].data, factor_, element_count(inputs[0]), output);
}

void ScaleLayer::backward(const StepContext& step, const Backward& pass) const {
  scale(*step.executor, pass.d_output, factor_, element_count(pass.inputs[0]), pass.d_inputs[0]);
}

void ColumnScaleLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                               float*) const {
  const Activation& x = inputs[0];
  scale_columns(*step.executor, x.data, factors_.floats(), bias_.is_empty() ? nullptr : bias_.floats(), x.row_count,
                x.width, output);
}

void ColumnScaleLayer::backward(const StepContext& step, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  if (pass.d_inputs[0] != nullptr) {
    scale_columns(*step.executor, pass.d_output, factors_.floats(), nullptr, x.row_count, x.width, pass.d_inputs[0]);
  }
  if (pass.d_weight != nullptr) {
    scale_columns_backward(*step.executor, x.data, pass.d_output, x.row_count, x.width, pass.d_weight);
  }
  if (pass.d_bias != nullptr) add_bias_backward(*step.executor, pass.d_output, x.row_count, x.width, pass.d_bias);
}

void DropoutLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  run(step, inputs[0].data, element_count(inputs[0]), output);
}

void DropoutLayer::backward(const StepContext& step, const Backward& pass) const {
  run(step, pass.d_output, element_count(pass.inputs[0]), pass.d_inputs[0]);
}

void DropoutLayer::run(const StepContext& step, const float* x, int64_t count, float* y) const {
  if (!step.dropout_seed) {
    std::copy_n(x, count, y);
    return;
  }
  dropout(*step.executor, x, share_, *step.dropout_seed ^ salt_, count, y);
}

void SoftCapLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  soft_cap(*step.executor, inputs[0].data, cap_, element_count(inputs[0]), output);
}

void SoftCapLayer::backward(const StepContext& step, const Backward& pass) const {
  soft_cap_backward(*step.executor, pass.output, cap_, pass.d_output, element_count(pass.inputs[0]), pass.d_inputs[0]);
}

void GateLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  gate(*step.executor, f_, inputs[0].data, inputs[1].data, element_count(inputs[0]), output);
}

void GateLayer::backward(const StepContext& step, const Backward& pass) const {
  gate_backward(*step.executor, f_, pass.inputs[0].data, pass.inputs[1].data, pass.d_output,
                element_count(pass.inputs[0]), {pass.d_inputs[0], pass.d_inputs[1]});
}

void GeluLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output, float*) const {
  gelu(*step.executor, form_, inputs[0].data, element_count(inputs[0]), output);
}

void GeluLayer::backward(const StepContext& step, const Backward& pass) const {
  gelu_backward(*step.executor, form_, pass.inputs[0].data, pass.d_output, element_count(pass.inputs[0]),
                pass.d_inputs[0]);
}

void StoredScaleLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                               float*) const {
  scale(*step.executor, inputs[0].data, factor_, element_count(inputs[0]), output);
}

void StoredScaleLayer::backward(const StepContext& step, const Backward& pass) const {
  scale(*step.executor, pass.d_output, factor_, element_count(pass.inputs[0]), pass.d_inputs[0]);
}

void ColumnsLayer::forward(const StepContext&, std::span<const Activation> inputs, float* output, float*) const {
  const Activation& x = inputs[0];
  const int64_t part_width = x.width / part_count_;
  for (int64_t part = 0; part < x.row_count * part_count_; ++part) {
    output = std::copy_n(x.data + part * part_width + first_, width_, output);
  }
}

void ColumnsLayer::backward(const StepContext&, const Backward& pass) const {
  const Activation& x = pass.inputs[0];
  const int64_t part_width = x.width / part_count_;
  std::fill_n(pass.d_inputs[0], element_count(x), 0.0f);
  for (int64_t part = 0; part < x.row_count * part_count_; ++part) {
    std::copy_n(pass.d_output + part * width_, width_, pass.d_inputs[0] + part * part_width + first_);
  }
}

void JoinLayer::forward(const StepContext&, std::span<const Activation> inputs, float* output, float*) const {
  const int64_t a_width = inputs[0].width / part_count_;
  std::fill_n(output, inputs[0].row_count * part_count_ * width_, 0.0f);
  for (int64_t part = 0; part < inputs[0].row_count * part_count_; ++part, output += width_) {
    std::copy_n(inputs[0].data + part * a_width, a_width, output);
    if (inputs.size() == 1) continue;
    const int64_t b_width = width_ - a_width;
    const int64_t b_part = inputs[1].width == b_width ? part / part_count_ : part;
    std::copy_n(inputs[1].data + b_part * b_width, b_width, output + a_width);
  }
}

void JoinLayer::backward(const StepContext&, const Backward& pass) const {
  const int64_t a_width = pass.inputs[0].width / part_count_;
  if (pass.inputs.size() > 1) std::fill_n(pass.d_inputs[1], element_count(pass.inputs[1]), 0.0f);
  const float* d_output = pass.d_output;
  for (int64_t part = 0; part < pass.inputs[0].row_count * part_count_; ++part, d_output += width_) {
    std::copy_n(d_output, a_width, pass.d_inputs[0] + part * a_width);
    if (pass.inputs.size() == 1) continue;
    const int64_t b_width = width_ - a_width;
    const int64_t b_part = pass.inputs[1].width == b_width ? part / part_count_ : part;
    float* d_b = pass.d_inputs[1] + b_part * b_width;
    for (int64_t i = 0; i < b_width; ++i) d_b[i] += d_output[a_width + i];
  }
}

int64_t SelectRowsLayer::output_rows(const StepContext& step, std::span<const Activation>) const {
  return static_cast<int64_t>(step.selected_rows.size());
}

void SelectRowsLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                              float*) const {
  const int64_t width = inputs[0].width;
  for (const int32_t row : step.selected_rows) {
    output = std::copy_n(inputs[0].data + row * width, width, output);
  }
}

void SelectRowsLayer::backward(const StepContext& step, const Backward& pass) const {
  const int64_t width = pass.inputs[0].width;
  std::fill_n(pass.d_inputs[0], element_count(pass.inputs[0]), 0.0f);
  const float* d_output = pass.d_output;
  for (const int32_t row : step.selected_rows) {
    std::copy_n(d_output, width, pass.d_inputs[0] + row * width);
    d_output += width;
  }
}

}  // namespace pelton
