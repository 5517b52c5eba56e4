#include "nn/fused_layers.h"

#include "ops/norm.h"

namespace pelton {
namespace {

LinearInput* int8_form(const StepContext& step, int64_t row_count, const Output& output) {
  return &step.shared_input->of({output.data, row_count, output.width, output.value});
}

}  // namespace

void QuantisingRmsNormLayer::run(const StepContext& step, std::span<const Activation> inputs,
                                 std::span<const Output> outputs) const {
  const Activation& x = inputs[0];
  residual_norm(*step.executor, {.a = x.data,
                                 .b = nullptr,
                                 .weight = weight_.floats(),
                                 .epsilon = epsilon_,
                                 .row_count = x.row_count,
                                 .width = x.width,
                                 .sum = nullptr,
                                 .y = outputs[0].data,
                                 .quantised = int8_form(step, x.row_count, outputs[0])});
}

void AddRmsNormLayer::run(const StepContext& step, std::span<const Activation> inputs,
                          std::span<const Output> outputs) const {
  const Activation& x = inputs[0];
  residual_norm(*step.executor,
                {.a = x.data,
                 .b = inputs[1].data,
                 .weight = weight_.floats(),
                 .epsilon = epsilon_,
                 .row_count = x.row_count,
                 .width = x.width,
                 .sum = outputs[0].data,
                 .y = outputs[1].data,
                 .quantised = leaves_int8_ == LeavesInt8::kYes ? int8_form(step, x.row_count, outputs[1]) : nullptr});
}

void GatedLinearLayer::run(const StepContext& step, std::span<const Activation> inputs,
                           std::span<const Output> outputs) const {
  LinearInput& x = step.shared_input->of(inputs[0]);
  LinearInput* y_input = leaves_int8_ == LeavesInt8::kYes ? int8_form(step, inputs[0].row_count, outputs[0]) : nullptr;
  gated_linear(*step.executor, x, gate_, up_, outputs[0].data, y_input);
}

void QueryKeyValueLayer::run(const StepContext& step, std::span<const Activation> inputs,
                             std::span<const Output> outputs) const {
  std::array<LinearProduct, kProjectionCount> products;
  for (size_t i = 0; i < kProjectionCount; ++i) products[i] = {&projections_[i].weight, outputs[i].data};
  linear_group(*step.executor, step.shared_input->of(inputs[0]), products);
  for (size_t i = 0; i < kProjectionCount; ++i) {
    const std::optional<Rotation>& rotation = projections_[i].rotation;
    if (!rotation) continue;
    rope(*step.executor, step.rope_tables[static_cast<size_t>(rotation->table_index)], RopeDirection::kForward,
         rotation->shape, outputs[i].data);
  }
}

}  // namespace pelton
