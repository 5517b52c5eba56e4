#include "model/differentiable.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "ops/bf16.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"

namespace pelton {
namespace {

int64_t longest_sequence(std::span<const int64_t> offsets) {
  int64_t longest = 0;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) longest = std::max(longest, offsets[i + 1] - offsets[i]);
  return longest;
}

// Those of linear layers; adapters' small ones stay as they are.
std::set<std::string> base_matrices(const Model& model) {
  std::set<std::string> matrices;
  for (const LayerCall& call : model.graph.calls) {
    const bool is_matrix = std::holds_alternative<LinearCall>(call.kind) && !is_adapter_weight(call.weight);
    if (is_matrix) matrices.insert(call.weight);
  }
  return matrices;
}

// Each matrix and its transpose.
int64_t bytes_in_bf16(const Model& model, const std::set<std::string>& matrices) {
  int64_t bytes = 0;
  for (const std::string& name : matrices) bytes += 2 * 2 * model.weights.at(name).shape().element_count();
  return bytes;
}

// Numbers of BF16 lie in pairs.
size_t floats_of_halves(size_t count) { return (count + 1) / 2; }
// Null stays null, where passes only count.
template <typename T>
T* at_row(T* data, int64_t row, int64_t width) {
  return data == nullptr ? nullptr : data + row * width;
}
uint16_t* halves_in(AlignedArray<float>& buffer) { return reinterpret_cast<uint16_t*>(buffer.data()); }

}  // namespace

DifferentiableModel::DifferentiableModel(Executor& executor, std::shared_ptr<const Model> model,
                                         DifferentiableOptions options)
    : executor_(executor),
      model_(std::move(model)),
      logits_at_once_(options.logits_at_once),
      uses_bf16_(options.uses_bf16),
      only_counts_(options.only_counts),
      pool_(options.only_counts ? BufferPool::Mode::kCount : BufferPool::Mode::kAllocate),
      half_pool_(options.only_counts ? BufferPool::Mode::kCount : BufferPool::Mode::kAllocate) {
  const std::optional<std::set<std::string>>& trained = options.trained;
  if (uses_bf16_) {
    const std::set<std::string> matrices = base_matrices(*model_);
    if (options.shares_with == nullptr) rounded_bytes_ = bytes_in_bf16(*model_, matrices);
    if (!only_counts_) {
      rounded_ = round_matrices(executor, *model_, matrices,
                                options.shares_with != nullptr ? options.shares_with->rounded_ : RoundedMatrices());
    }
  }
  layers_ = make_training_layers(executor, *model_, rounded_);
  for (const WeightSpec& weight : model_->graph.weights) {
    if (trained && !trained->contains(weight.name)) continue;
    gradients_.emplace(weight.name, only_counts_ ? Tensor() : Tensor::f32(weight.shape));
  }
  CHECK(!trained || trained->size() == gradients_.size());
  plan_ = plan_activations(
      model_->graph, layers_, [&](const std::string& name) { return gradients_.contains(name); },
      options.checkpointing);
  is_rounded_.assign(model_->graph.value_widths.size(), false);
  for (const LayerCall& call : model_->graph.calls) {
    if (!uses_bf16_ || !std::holds_alternative<AttentionCall>(call.kind)) continue;
    for (const ValueId input : call.inputs) {
      is_rounded_[index_of(input)] = plan_.may_be_halved[index_of(input)];
    }
  }
}

void DifferentiableModel::clear_gradients() {
  for (auto& [name, gradient] : gradients_)
    std::memset(gradient.mutable_data(), 0, static_cast<size_t>(gradient.size_bytes()));
}

void DifferentiableModel::weights_changed() {
  layers_.clear();  // they hold the old matrices
  for (auto& [name, matrix] : rounded_) {
    if (!gradients_.contains(name)) continue;
    matrix = {};
    matrix = round_matrices(executor_, *model_, {name}).at(name);
  }
  layers_ = make_training_layers(executor_, *model_, rounded_);
}

std::vector<Activation> DifferentiableModel::inputs_of(const LayerCall& call) const {
  std::vector<Activation> inputs;
  for (const ValueId input : call.inputs) inputs.push_back(activations_[index_of(input)]);
  return inputs;
}

void DifferentiableModel::start(const TrainingBatch& batch, std::vector<int32_t> selected_rows) {
  const Graph& graph = model_->graph;
  CHECK(!batch.offsets.empty() && batch.offsets.front() == 0);
  CHECK(batch.offsets.back() == static_cast<int64_t>(batch.tokens.size()) &&
        batch.targets.size() == batch.tokens.size());
  batch_ = batch;
  selected_rows_ = std::move(selected_rows);
  positions_.resize(batch_.tokens.size());
  for (size_t i = 0; i + 1 < batch_.offsets.size(); ++i) {
    std::iota(positions_.begin() + batch_.offsets[i], positions_.begin() + batch_.offsets[i + 1], 0);
  }

  context_ = {};
  context_.executor = &executor_;
  context_.tokens = batch_.tokens;
  context_.positions = positions_;
  token_types_.assign(batch_.tokens.size(), 0);
  context_.token_types = token_types_;
  rope_tables_.resize(graph.ropes.size());
  const int64_t longest = longest_sequence(batch_.offsets);
  for (size_t i = 0; i < graph.ropes.size() && !only_counts_; ++i) {
    rope_tables_[i].prepare(executor_, graph.ropes[i].for_length(longest), positions_);
  }
  context_.rope_tables = rope_tables_;
  context_.selected_rows = selected_rows_;
  context_.shared_input = &shared_input_;
  context_.sequences = {batch_.offsets};
  context_.dropout_seed = dropout_seed_;
  shared_input_.start_step();

  for (Buffer& value : values_) pool_.give(std::exchange(value, {}));
  for (Buffer& value : halves_) half_pool_.give(std::exchange(value, {}));
  for (Buffer& saved : saved_) pool_.give(std::exchange(saved, {}));
  for (Gradient& gradient : d_values_) pool_.give(std::move(std::exchange(gradient, {}).buffer));
  pool_.start_step();
  half_pool_.start_step();
  values_.resize(graph.value_widths.size());
  halves_.resize(graph.value_widths.size());
  activations_.assign(graph.value_widths.size(), {});
  saved_.resize(graph.calls.size());
  d_values_.resize(graph.value_widths.size());
}

std::span<const float> DifferentiableModel::forward(const TrainingBatch& batch) {
  std::vector<int32_t> all_rows(batch.tokens.size());
  std::iota(all_rows.begin(), all_rows.end(), 0);
  start(batch, std::move(all_rows));
  forward_segments();
  forward_tail();
  const Activation& logits = activations_[index_of(model_->graph.logits)];
  return {logits.data, static_cast<size_t>(logits.row_count * logits.width)};
}

double DifferentiableModel::backward() {
  const Activation& logits = activations_[index_of(model_->graph.logits)];
  CHECK(logits.data != nullptr);
  Gradient& d_logits = d_values_[index_of(model_->graph.logits)];
  d_logits.buffer = pool_.take(static_cast<size_t>(logits.row_count * logits.width));
  d_logits.data = d_logits.buffer.data();
  d_logits.has_arrived = true;
  const double loss =
      cross_entropy(executor_, logits.data, batch_.targets.data(), logits.row_count, logits.width, d_logits.data);
  backward_calls(plan_.tail_begin, model_->graph.calls.size());
  backward_segments();
  return loss;
}

int64_t DifferentiableModel::forward_body(const TrainingBatch& batch) {
  CHECK(plan_.selected);
  std::vector<int32_t> rows;
  for (size_t row = 0; row < batch.targets.size(); ++row) {
    if (batch.targets[row] != kIgnoredTarget) rows.push_back(static_cast<int32_t>(row));
  }
  const auto count = static_cast<int64_t>(rows.size());
  start(batch, std::move(rows));
  forward_segments();
  return count;
}

// Sets the chosen rows' value to some of them, so that the calls of the tail see no others, and runs `body`.
template <typename Body>
void DifferentiableModel::for_each_chunk(Body body) {
  Activation& selected = activations_[index_of(*plan_.selected)];
  const Activation whole = selected;
  const int64_t vocabulary_size = model_->graph.value_widths[index_of(model_->graph.logits)];
  const int64_t rows_at_once = std::max<int64_t>(1, logits_at_once_ / vocabulary_size);
  for (int64_t begin = 0; begin < whole.row_count; begin += rows_at_once) {
    const Range rows{begin, std::min(begin + rows_at_once, whole.row_count)};
    selected.data = at_row(whole.data, rows.begin, whole.width);
    selected.row_count = rows.end - rows.begin;
    shared_input_.start_step();  // the same values hold other rows now
    forward_tail();
    body(rows);
  }
  selected = whole;
}

void DifferentiableModel::read_logits(LogitsReader read) {
  for_each_chunk([&](Range rows) {
    if (!only_counts_) read(rows, activations_[index_of(model_->graph.logits)].data);
    for (size_t i = plan_.tail_begin; i < model_->graph.calls.size(); ++i) release(model_->graph.calls[i].output);
  });
}

void DifferentiableModel::backward_body(LogitsReplacer replace) {
  const auto logits = index_of(model_->graph.logits);
  const Activation& selected = activations_[index_of(*plan_.selected)];
  Gradient& d_selected = d_values_[index_of(*plan_.selected)];
  d_selected.buffer = pool_.take(static_cast<size_t>(selected.row_count * selected.width));
  for_each_chunk([&](Range rows) {
    d_selected.data = at_row(d_selected.buffer.data(), rows.begin, selected.width);
    d_selected.has_arrived = false;
    // The gradient takes the logits' place, unless the backward of the call that made them reads them (a cap does).
    Gradient& d_logits = d_values_[logits];
    const Activation& made = activations_[logits];
    if (plan_.backward_reads_logits) {
      const auto count = static_cast<size_t>(made.row_count * made.width);
      d_logits.buffer = pool_.take(count);
      if (!only_counts_) std::copy_n(made.data, count, d_logits.buffer.data());
    } else {
      d_logits.buffer = std::exchange(values_[logits], {});
    }
    d_logits.data = d_logits.buffer.data();
    d_logits.has_arrived = true;
    if (!only_counts_) replace(rows, d_logits.data);
    backward_calls(plan_.tail_begin, model_->graph.calls.size());
    release(model_->graph.logits);
  });
  d_selected.data = d_selected.buffer.data();
  d_selected.has_arrived = true;
  backward_segments();
}

void DifferentiableModel::forward_segments() {
  for (const PlanSegment& segment : plan_.segments) {
    for (size_t i = segment.begin; i < segment.end; ++i) {
      forward_call(i, !segment.is_recomputed);
      release_inputs(i);
    }
  }
}

void DifferentiableModel::forward_tail() {
  for (size_t i = plan_.tail_begin; i < model_->graph.calls.size(); ++i) {
    forward_call(i, true);
    release_inputs(i);
  }
}

void DifferentiableModel::forward_call(size_t index, bool has_backward) {
  const LayerCall& call = model_->graph.calls[index];
  const auto value = index_of(call.output);
  const std::vector<Activation> inputs = inputs_of(call);
  const int64_t row_count = layers_[index]->output_rows(context_, inputs);
  const int64_t width = model_->graph.value_widths[value];
  pool_.give(std::exchange(saved_[index], {}));
  pool_.give(std::exchange(values_[value], {}));
  if (has_backward) saved_[index] = pool_.take(static_cast<size_t>(layers_[index]->saved_count(context_)));
  values_[value] = pool_.take(static_cast<size_t>(row_count * width));
  if (!only_counts_) layers_[index]->forward(context_, inputs, values_[value].data(), saved_[index].data());
  activations_[value] = {values_[value].data(), row_count, width, static_cast<int32_t>(call.output)};
  if (is_rounded_[value]) round(call.output);
}

// What nobody reads any more after this call, forwards.
void DifferentiableModel::release_inputs(size_t index) {
  for (const ValueId input : model_->graph.calls[index].inputs) {
    const auto value = index_of(input);
    if (plan_.last_use[value] != index) continue;
    if (!plan_.stays[value]) {
      release(input);
    } else if (uses_bf16_ && plan_.may_be_halved[value]) {
      halve(input);
    }
  }
}

// How many rows it had stays known: backward needs that.
void DifferentiableModel::release(ValueId value) {
  pool_.give(std::exchange(values_[index_of(value)], {}));
  half_pool_.give(std::exchange(halves_[index_of(value)], {}));
  activations_[index_of(value)].data = nullptr;
}

void DifferentiableModel::round(ValueId value) {
  Buffer& buffer = values_[index_of(value)];
  const Activation& activation = activations_[index_of(value)];
  const int64_t count = activation.row_count * activation.width;
  Buffer rounded = half_pool_.take(floats_of_halves(static_cast<size_t>(count)));
  if (!only_counts_) {
    round_to_bf16(executor_, buffer.data(), count, halves_in(rounded));
    widen_bf16(executor_, halves_in(rounded), count, buffer.data());
  }
  half_pool_.give(std::move(rounded));
}

void DifferentiableModel::halve(ValueId value) {
  Buffer& buffer = values_[index_of(value)];
  if (buffer.size() == 0) return;  // the other input of the same call was the same value
  Activation& activation = activations_[index_of(value)];
  const int64_t count = activation.row_count * activation.width;
  Buffer& half = halves_[index_of(value)];
  half = half_pool_.take(floats_of_halves(static_cast<size_t>(count)));
  if (!only_counts_) round_to_bf16(executor_, buffer.data(), count, halves_in(half));
  pool_.give(std::exchange(buffer, {}));
  activation.data = nullptr;
}

void DifferentiableModel::widen(ValueId value) {
  Buffer& half = halves_[index_of(value)];
  if (half.size() == 0) return;
  Buffer& buffer = values_[index_of(value)];
  Activation& activation = activations_[index_of(value)];
  const int64_t count = activation.row_count * activation.width;
  buffer = pool_.take(static_cast<size_t>(count));
  if (!only_counts_) widen_bf16(executor_, halves_in(half), count, buffer.data());
  half_pool_.give(std::exchange(half, {}));
  activation.data = buffer.data();
}

void DifferentiableModel::widen_what_backward_reads(size_t index) {
  const LayerCall& call = model_->graph.calls[index];
  if (plan_.reads[index].output) widen(call.output);
  for (const ValueId input : call.inputs) {
    if (plan_.reads[index].inputs) widen(input);
  }
}

void DifferentiableModel::backward_segments() {
  for (size_t i = plan_.segments.size(); i-- > 0;) {
    if (plan_.segments[i].is_recomputed) recompute(plan_.segments[i]);
    backward_calls(plan_.segments[i].begin, plan_.segments[i].end);
  }
}

// What the backward of these calls reads and the forward did not leave, and what that is made of.
void DifferentiableModel::recompute(const PlanSegment& segment) {
  const Graph& graph = model_->graph;
  std::vector<bool> is_needed(graph.value_widths.size(), false);
  std::vector<size_t> calls;
  for (size_t i = segment.end; i-- > segment.begin;) {
    const auto output = index_of(graph.calls[i].output);
    if (plan_.reads[i].output) is_needed[output] = true;
    for (const ValueId input : graph.calls[i].inputs) {
      if (plan_.reads[i].inputs) is_needed[index_of(input)] = true;
    }
    const bool lacks_saved = plan_.depends[output] && layers_[i]->saved_count(context_) > 0;
    if (!lacks_saved && (!is_needed[output] || values_[output].size() > 0)) continue;
    calls.push_back(i);
    for (const ValueId input : graph.calls[i].inputs) is_needed[index_of(input)] = true;
  }
  shared_input_.start_step();  // the same values lie elsewhere now
  for (size_t n = calls.size(); n-- > 0;) {
    forward_call(calls[n], true);
    for (const ValueId input : graph.calls[calls[n]].inputs) {
      const auto value = index_of(input);
      if (plan_.last_use[value] == calls[n] && !plan_.stays[value] && !plan_.is_read[value]) release(input);
    }
  }
}

void DifferentiableModel::backward_calls(size_t begin, size_t end) {
  for (size_t i = end; i-- > begin;) {
    const auto output = index_of(model_->graph.calls[i].output);
    if (plan_.depends[output]) {
      widen_what_backward_reads(i);
      backward_call(i);
    }
    pool_.give(std::move(std::exchange(d_values_[output], {}).buffer));
    pool_.give(std::exchange(saved_[i], {}));
    if (model_->graph.calls[i].output != model_->graph.logits) release(model_->graph.calls[i].output);
  }
}

void DifferentiableModel::backward_call(size_t index) {
  const LayerCall& call = model_->graph.calls[index];
  const std::vector<Activation> inputs = inputs_of(call);

  // The layer assigns: to the value's own buffer where this is the first gradient to arrive there, else beside it.
  // What nobody wants a matrix need not compute; other layers make all at once.
  const bool may_leave_out = std::holds_alternative<LinearCall>(call.kind);
  std::vector<Buffer> beside(inputs.size());
  std::vector<float*> d_inputs(inputs.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto input = index_of(call.inputs[i]);
    const auto count = static_cast<size_t>(inputs[i].row_count * inputs[i].width);
    Gradient& own = d_values_[input];
    const bool is_twin = std::find(call.inputs.begin(), call.inputs.begin() + static_cast<int64_t>(i),
                                   call.inputs[i]) != call.inputs.begin() + static_cast<int64_t>(i);
    if (!plan_.depends[input] && may_leave_out) continue;
    if (!plan_.depends[input] || own.has_arrived || is_twin) {
      beside[i] = pool_.take(count);
      d_inputs[i] = beside[i].data();
      continue;
    }
    if (own.buffer.size() == 0) {
      own.buffer = pool_.take(count);
      own.data = own.buffer.data();
    }
    d_inputs[i] = own.data;
  }
  const auto gradient_of = [&](const std::string& weight) {
    return is_wanted(weight) && !only_counts_ ? gradients_.at(weight).mutable_floats() : nullptr;
  };
  std::vector<float*> further;
  for (const std::string& weight : call.further_weights) further.push_back(gradient_of(weight));
  const Gradient& d_output = d_values_[index_of(call.output)];
  CHECK(d_output.has_arrived);
  if (!only_counts_) {
    layers_[index]->backward(
        context_, {inputs, activations_[index_of(call.output)].data, saved_[index].data(), d_output.data, d_inputs,
                   gradient_of(call.weight), gradient_of(call.bias), further});
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    Gradient& own = d_values_[index_of(call.inputs[i])];
    own.has_arrived = own.has_arrived || plan_.depends[index_of(call.inputs[i])];
    if (beside[i].size() == 0) continue;
    if (plan_.depends[index_of(call.inputs[i])] && !only_counts_) {
      accumulate(executor_, beside[i].data(), inputs[i].row_count * inputs[i].width, own.data);
    }
    pool_.give(std::move(beside[i]));
  }
}

}  // namespace pelton
