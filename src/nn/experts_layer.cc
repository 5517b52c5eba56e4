#include "nn/experts_layer.h"

#include "base/check.h"
#include "ops/elementwise.h"
#include "ops/scratch.h"

namespace pelton {
namespace {

// What forward leaves for backward, and both work in: one array a purpose, by slot.
struct Saved {
  float* gates;    // [slots, F]
  float* ups;      // [slots, F]
  float* outputs;  // [slots, D]

  Saved(float* memory, int64_t slot_count, int64_t hidden_width)
      : gates(memory), ups(memory + slot_count * hidden_width), outputs(memory + 2 * slot_count * hidden_width) {}
};

}  // namespace

ExpertsLayer::ExpertsLayer(const RoutingShape& routing, const GateFunction& f, std::vector<Expert> experts,
                           Tensor correction)
    : routing_(routing), f_(f), experts_(std::move(experts)), correction_(std::move(correction)) {
  CHECK(!experts_.empty() && static_cast<int64_t>(experts_.size()) == routing.expert_count);
  for (const Expert& expert : experts_) {
    gates_.push_back({&expert.gate, expert.gate_bias});
    ups_.push_back({&expert.up, expert.up_bias});
    downs_.push_back({&expert.down, expert.down_bias});
    gated_.push_back({gates_.back(), ups_.back()});
  }
}

void ExpertsLayer::route(const StepContext& step, const Activation& logits, Routing& routing) const {
  routing.set(*step.executor, routing_, logits.data, logits.row_count,
              correction_.is_empty() ? nullptr : correction_.floats());
}

int64_t ExpertsLayer::saved_count(const StepContext& step) const {
  const int64_t slot_count = static_cast<int64_t>(step.tokens.size()) * routing_.active_count;
  return slot_count * (2 * hidden_width() + width());
}

void ExpertsLayer::forward(const StepContext& step, std::span<const Activation> inputs, float* output,
                           float* saved) const {
  // Kept from step to step, and shared by all layers.
  static thread_local Routing routing;
  static thread_local Scratch<float> scratch;
  static thread_local LinearInput gathered;
  static thread_local LinearInput hidden;
  Executor& executor = *step.executor;
  const Activation& x = inputs[0];
  route(step, inputs[1], routing);
  const std::span<const Range> groups = routing.slots_of_experts();
  const int64_t slot_count = routing.slot_count();

  float* rows = scratch.reserve(slot_count * (2 * width() + hidden_width()));
  float* h = rows + slot_count * width();
  float* outputs = h + slot_count * hidden_width();
  gather_rows(executor, routing, x.data, x.width, rows);
  gathered.set(rows, slot_count, width());
  hidden.set(h, slot_count, hidden_width());
  if (saved == nullptr) {
    const bool is_int8 = experts_[0].down.activations() == ActivationType::kInt8;
    gated_linear_by_group(executor, gathered, groups, gated_, f_, h, is_int8 ? &hidden : nullptr);
  } else {
    const Saved kept(saved, slot_count, hidden_width());
    outputs = kept.outputs;
    linear_by_group(executor, gathered, groups, gates_, kept.gates);
    linear_by_group(executor, gathered, groups, ups_, kept.ups);
    gate(executor, f_, kept.gates, kept.ups, slot_count * hidden_width(), h);
  }
  linear_by_group(executor, hidden, groups, downs_, outputs);
  combine_slots(executor, routing, outputs, width(), output);
}

void ExpertsLayer::backward(const StepContext& step, const Backward& pass) const {
  static thread_local Routing routing;
  static thread_local Scratch<float> scratch;
  Executor& executor = *step.executor;
  const Activation& x = pass.inputs[0];
  const float* logits = pass.inputs[1].data;
  route(step, pass.inputs[1], routing);
  const int64_t slot_count = routing.slot_count();
  const int64_t hidden_count = slot_count * hidden_width();
  const int64_t row_values = slot_count * width();
  const Saved kept(const_cast<float*>(pass.saved), slot_count, hidden_width());  // read only

  float* rows = scratch.reserve(4 * row_values + 4 * hidden_count);
  float* d_outputs = rows + row_values;
  float* d_rows = d_outputs + row_values;
  float* d_rows_more = d_rows + row_values;
  float* h = d_rows_more + row_values;
  float* d_h = h + hidden_count;
  float* d_gates = d_h + hidden_count;
  float* d_ups = d_gates + hidden_count;

  gather_rows(executor, routing, x.data, width(), rows);
  gate(executor, f_, kept.gates, kept.ups, hidden_count, h);
  combine_slots_backward(executor, routing, logits, kept.outputs, pass.d_output, width(),
                         {d_outputs, pass.d_inputs[1]});
  const size_t weights_each = has_biases() ? 6 : 3;
  // One expert's part of an array by slot.
  struct Part {
    int64_t first, count;
    float* of(float* all, int64_t width) const { return all + first * width; }
  };
  const auto for_experts = [&](const auto& body) {
    for (size_t i = 0; i < experts_.size(); ++i) {
      const Range slots = routing.slots_of_experts()[i];
      if (slots.begin == slots.end) continue;
      body(experts_[i], Part{slots.begin, slots.end - slots.begin},
           pass.further_weights.empty() ? nullptr : &pass.further_weights[i * weights_each]);
    }
  };
  const auto add_weight_gradients = [&](const Part& part, float* const* gradients, size_t index, float* input,
                                        int64_t input_width, float* d_output, int64_t output_width) {
    if (gradients == nullptr) return;
    if (gradients[index] != nullptr) {
      linear_backward_weight(executor, part.of(input, input_width), part.of(d_output, output_width), part.count,
                             input_width, output_width, gradients[index]);
    }
    if (!has_biases() || gradients[index + 3] == nullptr) return;
    add_bias_backward(executor, part.of(d_output, output_width), part.count, output_width, gradients[index + 3]);
  };
  for_experts([&](const Expert& expert, const Part& part, float* const* gradients) {
    linear_backward_input(executor, part.of(d_outputs, width()), expert.down.tensor(), part.count,
                          part.of(d_h, hidden_width()));
    add_weight_gradients(part, gradients, 2, h, hidden_width(), d_outputs, width());
  });
  gate_backward(executor, f_, kept.gates, kept.ups, d_h, hidden_count, {d_gates, d_ups});
  for_experts([&](const Expert& expert, const Part& part, float* const* gradients) {
    add_weight_gradients(part, gradients, 0, rows, width(), d_gates, hidden_width());
    add_weight_gradients(part, gradients, 1, rows, width(), d_ups, hidden_width());
    if (pass.d_inputs[0] == nullptr) return;
    linear_backward_input(executor, part.of(d_gates, hidden_width()), expert.gate.tensor(), part.count,
                          part.of(d_rows, width()));
    linear_backward_input(executor, part.of(d_ups, hidden_width()), expert.up.tensor(), part.count,
                          part.of(d_rows_more, width()));
  });
  if (pass.d_inputs[0] == nullptr) return;
  accumulate(executor, d_rows_more, row_values, d_rows);
  sum_slots(executor, routing, d_rows, width(), pass.d_inputs[0]);
}

}  // namespace pelton
