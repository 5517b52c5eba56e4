#include "model/differentiable.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

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

// Those that linear layers multiply by and nobody trains.
std::set<std::string> fixed_matrices(const Model& model, const std::optional<std::set<std::string>>& trained) {
  std::set<std::string> matrices;
  if (!trained) return matrices;
  for (const LayerCall& call : model.graph.calls) {
    if (std::holds_alternative<LinearCall>(call.kind) && !trained->contains(call.weight)) matrices.insert(call.weight);
  }
  return matrices;
}

}  // namespace

DifferentiableModel::DifferentiableModel(Executor& executor, std::shared_ptr<const Model> model,
                                         DifferentiableOptions options)
    : executor_(executor),
      model_(std::move(model)),
      layers_(make_training_layers(
          executor, *model_, options.uses_bf16 ? fixed_matrices(*model_, options.trained) : std::set<std::string>())),
      logits_at_once_(options.logits_at_once) {
  const std::optional<std::set<std::string>>& trained = options.trained;
  for (const WeightSpec& weight : model_->graph.weights) {
    if (trained && !trained->contains(weight.name)) continue;
    gradients_.emplace(weight.name, Tensor::f32(weight.shape));
  }
  CHECK(!trained || trained->size() == gradients_.size());
  find_dependence();
}

void DifferentiableModel::find_dependence() {
  const Graph& graph = model_->graph;
  depends_.assign(graph.value_widths.size(), false);
  last_use_.assign(graph.value_widths.size(), 0);
  is_kept_.assign(graph.value_widths.size(), false);
  tail_begin_ = graph.calls.size();
  for (size_t i = 0; i < graph.calls.size(); ++i) {
    const LayerCall& call = graph.calls[i];
    const std::vector<std::string> weights = call.weights();
    const bool wants_weights = is_wanted(call.bias) || std::any_of(weights.begin(), weights.end(),
                                                                   [&](const auto& name) { return is_wanted(name); });
    bool depends = wants_weights;
    for (const ValueId input : call.inputs) {
      depends = depends || depends_[index_of(input)];
      last_use_[index_of(input)] = i;
    }
    depends_[index_of(call.output)] = depends;
    last_use_[index_of(call.output)] = i;
    if (std::holds_alternative<SelectRowsCall>(call.kind)) {
      tail_begin_ = i + 1;
      selected_ = call.output;
    }
    if (!depends) continue;
    const Layer::BackwardReads reads = layers_[i]->backward_reads(wants_weights);
    if (reads.output) is_kept_[index_of(call.output)] = true;
    for (const ValueId input : call.inputs) {
      if (reads.inputs) is_kept_[index_of(input)] = true;
    }
  }
  backward_reads_logits_ = is_kept_[index_of(graph.logits)];
  is_kept_[index_of(graph.logits)] = true;
  if (selected_) is_kept_[index_of(*selected_)] = true;
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
  for (size_t i = 0; i < graph.ropes.size(); ++i) {
    rope_tables_[i].prepare(executor_, graph.ropes[i].for_length(longest), positions_);
  }
  context_.rope_tables = rope_tables_;
  context_.selected_rows = selected_rows_;
  context_.shared_input = &shared_input_;
  context_.sequences = {batch_.offsets};
  shared_input_.start_step();

  for (Buffer& value : values_) pool_.give(std::exchange(value, {}));
  for (Buffer& saved : saved_) pool_.give(std::exchange(saved, {}));
  for (Gradient& gradient : d_values_) pool_.give(std::move(std::exchange(gradient, {}).buffer));
  pool_.start_step();
  values_.resize(graph.value_widths.size());
  activations_.assign(graph.value_widths.size(), {});
  saved_.resize(graph.calls.size());
  d_values_.resize(graph.value_widths.size());
}

std::span<const float> DifferentiableModel::forward(const TrainingBatch& batch) {
  std::vector<int32_t> all_rows(batch.tokens.size());
  std::iota(all_rows.begin(), all_rows.end(), 0);
  start(batch, std::move(all_rows));
  forward_calls(0, model_->graph.calls.size());
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
  backward_calls(0, model_->graph.calls.size());
  return loss;
}

int64_t DifferentiableModel::forward_body(const TrainingBatch& batch) {
  CHECK(selected_);
  std::vector<int32_t> rows;
  for (size_t row = 0; row < batch.targets.size(); ++row) {
    if (batch.targets[row] != kIgnoredTarget) rows.push_back(static_cast<int32_t>(row));
  }
  const auto count = static_cast<int64_t>(rows.size());
  start(batch, std::move(rows));
  forward_calls(0, tail_begin_);
  return count;
}

// Sets the chosen rows' value to some of them, so that the calls of the tail see no others, and runs `body`.
template <typename Body>
void DifferentiableModel::for_each_chunk(Body body) {
  Activation& selected = activations_[index_of(*selected_)];
  const Activation whole = selected;
  const int64_t vocabulary_size = model_->graph.value_widths[index_of(model_->graph.logits)];
  const int64_t rows_at_once = std::max<int64_t>(1, logits_at_once_ / vocabulary_size);
  for (int64_t begin = 0; begin < whole.row_count; begin += rows_at_once) {
    const Range rows{begin, std::min(begin + rows_at_once, whole.row_count)};
    selected.data = whole.data + rows.begin * whole.width;
    selected.row_count = rows.end - rows.begin;
    shared_input_.start_step();  // the same values hold other rows now
    forward_calls(tail_begin_, model_->graph.calls.size());
    body(rows);
  }
  selected = whole;
}

void DifferentiableModel::read_logits(LogitsReader read) {
  for_each_chunk([&](Range rows) {
    read(rows, activations_[index_of(model_->graph.logits)].data);
    for (size_t i = tail_begin_; i < model_->graph.calls.size(); ++i) release(model_->graph.calls[i].output);
  });
}

void DifferentiableModel::backward_body(LogitsReplacer replace) {
  const auto logits = index_of(model_->graph.logits);
  const Activation& selected = activations_[index_of(*selected_)];
  Gradient& d_selected = d_values_[index_of(*selected_)];
  d_selected.buffer = pool_.take(static_cast<size_t>(selected.row_count * selected.width));
  for_each_chunk([&](Range rows) {
    d_selected.data = d_selected.buffer.data() + rows.begin * selected.width;
    d_selected.has_arrived = false;
    // The gradient takes the logits' place, unless the backward of the call that made them reads them (a cap does).
    Gradient& d_logits = d_values_[logits];
    const Activation& made = activations_[logits];
    if (backward_reads_logits_) {
      const auto count = static_cast<size_t>(made.row_count * made.width);
      d_logits.buffer = pool_.take(count);
      std::copy_n(made.data, count, d_logits.buffer.data());
    } else {
      d_logits.buffer = std::exchange(values_[logits], {});
    }
    d_logits.data = d_logits.buffer.data();
    d_logits.has_arrived = true;
    replace(rows, d_logits.data);
    backward_calls(tail_begin_, model_->graph.calls.size());
    release(model_->graph.logits);
  });
  d_selected.data = d_selected.buffer.data();
  d_selected.has_arrived = true;
  backward_calls(0, tail_begin_);
}

void DifferentiableModel::forward_calls(size_t begin, size_t end) {
  const Graph& graph = model_->graph;
  for (size_t i = begin; i < end; ++i) {
    const LayerCall& call = graph.calls[i];
    const auto value = index_of(call.output);
    const std::vector<Activation> inputs = inputs_of(call);
    const int64_t row_count = layers_[i]->output_rows(context_, inputs);
    const int64_t width = graph.value_widths[value];
    pool_.give(std::move(saved_[i]));
    saved_[i] = pool_.take(static_cast<size_t>(layers_[i]->saved_count(context_)));
    values_[value] = pool_.take(static_cast<size_t>(row_count * width));
    layers_[i]->forward(context_, inputs, values_[value].data(), saved_[i].data());
    activations_[value] = {values_[value].data(), row_count, width, static_cast<int32_t>(call.output)};
    release_inputs(i);
  }
}

// What nobody reads any more after this call.
void DifferentiableModel::release_inputs(size_t index) {
  const LayerCall& call = model_->graph.calls[index];
  for (const ValueId input : call.inputs) {
    if (last_use_[index_of(input)] == index && !is_kept_[index_of(input)]) release(input);
  }
}

// How many rows it had stays known: backward needs that.
void DifferentiableModel::release(ValueId value) {
  pool_.give(std::exchange(values_[index_of(value)], {}));
  activations_[index_of(value)].data = nullptr;
}

void DifferentiableModel::backward_calls(size_t begin, size_t end) {
  for (size_t i = end; i-- > begin;) {
    const auto output = index_of(model_->graph.calls[i].output);
    if (depends_[output]) backward_call(i);
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
    if (!depends_[input] && may_leave_out) continue;
    if (!depends_[input] || own.has_arrived || is_twin) {
      beside[i] = pool_.take(count);
      d_inputs[i] = beside[i].data();
      continue;
    }
    if (own.data == nullptr) {
      own.buffer = pool_.take(count);
      own.data = own.buffer.data();
    }
    d_inputs[i] = own.data;
  }
  const auto gradient_of = [&](const std::string& weight) {
    return is_wanted(weight) ? gradients_.at(weight).mutable_floats() : nullptr;
  };
  std::vector<float*> further;
  for (const std::string& weight : call.further_weights) further.push_back(gradient_of(weight));
  const Gradient& d_output = d_values_[index_of(call.output)];
  CHECK(d_output.has_arrived);
  layers_[index]->backward(
      context_, {inputs, activations_[index_of(call.output)].data, saved_[index].data(), d_output.data, d_inputs,
                 gradient_of(call.weight), gradient_of(call.bias), further});
  for (size_t i = 0; i < inputs.size(); ++i) {
    Gradient& own = d_values_[index_of(call.inputs[i])];
    own.has_arrived = own.has_arrived || depends_[index_of(call.inputs[i])];
    if (beside[i].size() == 0) continue;
    if (depends_[index_of(call.inputs[i])]) {
      accumulate(executor_, beside[i].data(), inputs[i].row_count * inputs[i].width, own.data);
    }
    pool_.give(std::move(beside[i]));
  }
}

}  // namespace pelton
