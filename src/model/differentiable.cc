#include "model/differentiable.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"

namespace pelton {
namespace {

int64_t longest_sequence(std::span<const int64_t> offsets) {
  int64_t longest = 0;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) longest = std::max(longest, offsets[i + 1] - offsets[i]);
  return longest;
}

}  // namespace

DifferentiableModel::DifferentiableModel(Executor& executor, std::shared_ptr<const Model> model)
    : executor_(executor), model_(std::move(model)), layers_(make_training_layers(executor, *model_)) {
  for (const WeightSpec& weight : model_->graph.weights) gradients_.emplace(weight.name, Tensor::f32(weight.shape));
}

void DifferentiableModel::clear_gradients() {
  for (auto& [name, gradient] : gradients_)
    std::memset(gradient.mutable_data(), 0, static_cast<size_t>(gradient.size_bytes()));
}

std::vector<Activation> DifferentiableModel::inputs_of(const LayerCall& call) const {
  std::vector<Activation> inputs;
  for (const ValueId input : call.inputs) inputs.push_back(activations_[index_of(input)]);
  return inputs;
}

std::span<const float> DifferentiableModel::forward(const TrainingBatch& batch) {
  const Graph& graph = model_->graph;
  CHECK(!batch.offsets.empty() && batch.offsets.front() == 0);
  CHECK(batch.offsets.back() == static_cast<int64_t>(batch.tokens.size()) &&
        batch.targets.size() == batch.tokens.size());
  batch_ = batch;
  positions_.resize(batch_.tokens.size());
  for (size_t i = 0; i + 1 < batch_.offsets.size(); ++i) {
    std::iota(positions_.begin() + batch_.offsets[i], positions_.begin() + batch_.offsets[i + 1], 0);
  }
  all_rows_.resize(batch_.tokens.size());
  std::iota(all_rows_.begin(), all_rows_.end(), 0);

  context_ = {};
  context_.executor = &executor_;
  context_.tokens = batch_.tokens;
  context_.positions = positions_;
  token_types_.assign(batch_.tokens.size(), 0);
  context_.token_types = token_types_;
  rope_tables_.resize(graph.ropes.size());
  const int64_t longest = longest_sequence(batch_.offsets);
  for (size_t i = 0; i < graph.ropes.size(); ++i) {
    rope_tables_[i].prepare(executor_, graph.ropes[i].for_length(longest), positions_);
  }
  context_.rope_tables = rope_tables_;
  context_.selected_rows = all_rows_;
  context_.shared_input = &shared_input_;
  context_.sequences = {batch_.offsets};
  shared_input_.start_step();

  values_ = std::vector<Buffer>(graph.value_widths.size());
  activations_.assign(graph.value_widths.size(), {});
  saved_ = std::vector<Buffer>(graph.calls.size());
  for (size_t i = 0; i < graph.calls.size(); ++i) {
    const LayerCall& call = graph.calls[i];
    const std::vector<Activation> inputs = inputs_of(call);
    const int64_t row_count = layers_[i]->output_rows(context_, inputs);
    const int64_t width = graph.value_widths[index_of(call.output)];
    Buffer& output = values_[index_of(call.output)] = Buffer(static_cast<size_t>(row_count * width));
    saved_[i] = Buffer(static_cast<size_t>(layers_[i]->saved_count(context_)));
    layers_[i]->forward(context_, inputs, output.data(), saved_[i].data());
    activations_[index_of(call.output)] = {output.data(), row_count, width, static_cast<int32_t>(call.output)};
  }
  const Buffer& logits = values_[index_of(graph.logits)];
  return {logits.data(), logits.size()};
}

double DifferentiableModel::backward() {
  const Graph& graph = model_->graph;
  const Activation& logits = activations_[index_of(graph.logits)];
  CHECK(logits.data != nullptr);
  d_values_ = std::vector<Buffer>(graph.value_widths.size());
  Buffer& d_logits = d_values_[index_of(graph.logits)] = Buffer(static_cast<size_t>(logits.row_count * logits.width));
  const double loss =
      cross_entropy(executor_, logits.data, batch_.targets.data(), logits.row_count, logits.width, d_logits.data());
  for (size_t i = graph.calls.size(); i-- > 0;) backward_call(i);
  return loss;
}

void DifferentiableModel::backward_call(size_t index) {
  const LayerCall& call = model_->graph.calls[index];
  const std::vector<Activation> inputs = inputs_of(call);

  // The layer assigns: to the value's own buffer where this is the first gradient to arrive there, else beside it.
  std::vector<Buffer> arriving(inputs.size());
  std::vector<float*> d_inputs(inputs.size());
  std::vector<bool> is_first(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto count = static_cast<size_t>(inputs[i].row_count * inputs[i].width);
    Buffer& own = d_values_[index_of(call.inputs[i])];
    is_first[i] = own.size() == 0;
    Buffer& target = is_first[i] ? own : arriving[i];
    target = Buffer(count);
    d_inputs[i] = target.data();
  }
  const auto gradient_of = [&](const std::string& weight) {
    return weight.empty() ? nullptr : gradients_.at(weight).mutable_floats();
  };
  std::vector<float*> further;
  for (const std::string& weight : call.further_weights) further.push_back(gradient_of(weight));
  const Buffer& d_output = d_values_[index_of(call.output)];
  CHECK(d_output.size() > 0);
  layers_[index]->backward(
      context_, {inputs, values_[index_of(call.output)].data(), saved_[index].data(), d_output.data(), d_inputs,
                 gradient_of(call.weight), gradient_of(call.bias), further});
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (is_first[i]) continue;
    accumulate(executor_, arriving[i].data(), static_cast<int64_t>(arriving[i].size()),
               d_values_[index_of(call.inputs[i])].data());
  }
  d_values_[index_of(call.output)] = Buffer();
}

}  // namespace pelton
