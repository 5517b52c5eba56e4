#include "nn/fused_layers.h"

#include "nn/attention_layer.h"
#include "ops/norm.h"
#include "ops/query_key_value.h"

namespace pelton {
namespace {

LinearInput* int8_form(const StepContext& step, int64_t row_count, const Output& output) {
  return &step.shared_input->of({output.data, row_count, output.width, output.value});
}

QueryKeyValue projections_of_step(const HeadProjections& projections, const AttentionShape& shape,
                                  const StepContext& step) {
  const auto one = [&](const HeadProjections::One& projection, int64_t head_count) {
    const std::optional<size_t>& table = projection.rope_table_index;
    const auto floats = [](const Tensor& vector) { return vector.is_empty() ? nullptr : vector.floats(); };
    return HeadProjection{.weight = &projection.weight.weight,
                          .table = table ? &step.rope_tables[*table] : nullptr,
                          .heads = {head_count, shape.head_width},
                          .bias = floats(projection.bias),
                          .norm = {floats(projection.norm), projection.norm_epsilon},
                          .adapted = step.adapted_rows_of(projection.weight.place)};
  };
  return {one(projections.query, shape.query_head_count), one(projections.key, shape.key_value_head_count),
          one(projections.value, shape.key_value_head_count)};
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
  const GatedProduct product{.gate = &gate_.weight,
                             .up = &up_.weight,
                             .f = f_,
                             .gate_adapted = step.adapted_rows_of(gate_.place),
                             .up_adapted = step.adapted_rows_of(up_.place)};
  gated_linear(*step.executor, x, product, outputs[0].data, y_input);
}

void QueryKeyValueLayer::run(const StepContext& step, std::span<const Activation> inputs,
                             std::span<const Output> outputs) const {
  query_key_value(*step.executor, step.shared_input->of(inputs[0]), projections_of_step(projections_, shape_, step),
                  {outputs[0].data, outputs[1].data, outputs[2].data});
}

void QueryKeyValueWriteLayer::run(const StepContext& step, std::span<const Activation> inputs,
                                  std::span<const Output> outputs) const {
  const auto index = static_cast<size_t>(cache_index_);
  query_key_value_write(*step.executor, step.shared_input->of(inputs[0]),
                        projections_of_step(projections_, shape_, step), shape_,
                        {step.cache_sequences[index], step.caches[index]}, outputs[0].data);
}

void PagedAttentionLayer::run(const StepContext& step, std::span<const Activation> inputs,
                              std::span<const Output> outputs) const {
  const auto index = static_cast<size_t>(cache_index_);
  paged_attention(*step.executor, shape_, step.cache_sequences[index], inputs[0].data, step.caches[index],
                  outputs[0].data, attention_sinks(sinks_));
}

void LogitsTopKLayer::run(const StepContext& step, std::span<const Activation> inputs,
                          std::span<const Output> outputs) const {
  LinearInput& x = step.shared_input->of(inputs[0]);
  if (step.largest != nullptr) {
    linear_largest(*step.executor, x, weight_.weight, step.largest_count, *step.largest,
                   step.adapted_rows_of(weight_.place));
  } else {
    linear(*step.executor, x, weight_.weight, outputs[0].data, step.adapted_rows_of(weight_.place));
  }
}

}  // namespace pelton
