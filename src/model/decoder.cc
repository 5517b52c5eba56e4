#include "model/decoder.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace pelton {
namespace {

// Which buffer each value lives in: a buffer is free again after the last call that reads its value.
class BufferPlan {
 public:
  explicit BufferPlan(const Graph& graph) : buffer_of_value_(graph.value_widths.size()) {
    std::vector<size_t> last_use = last_uses(graph);
    std::vector<size_t> free_buffers;
    for (size_t i = 0; i < graph.calls.size(); ++i) {
      const LayerCall& call = graph.calls[i];
      for (const ValueId output : call.outputs()) {
        buffer_of_value_[index_of(output)] = take(free_buffers, graph.value_widths[index_of(output)]);
      }
      for (const ValueId input : call.inputs) {
        if (last_use[index_of(input)] != i) continue;
        free_buffers.push_back(buffer_of_value_[index_of(input)]);
        last_use[index_of(input)] = kNever;  // a call may read a value twice
      }
    }
  }

  size_t buffer_of(ValueId value) const { return buffer_of_value_[index_of(value)]; }
  size_t buffer_count() const { return buffer_widths_.size(); }

 private:
  static constexpr size_t kNever = SIZE_MAX;

  static std::vector<size_t> last_uses(const Graph& graph) {
    std::vector<size_t> last_use(graph.value_widths.size(), kNever);
    for (size_t i = 0; i < graph.calls.size(); ++i) {
      for (const ValueId input : graph.calls[i].inputs) last_use[index_of(input)] = i;
    }
    return last_use;
  }

  // A free buffer of the same width, else a new one.
  size_t take(std::vector<size_t>& free_buffers, int64_t width) {
    const auto found = std::find_if(free_buffers.begin(), free_buffers.end(),
                                    [&](size_t buffer) { return buffer_widths_[buffer] == width; });
    if (found != free_buffers.end()) {
      const size_t buffer = *found;
      free_buffers.erase(found);
      return buffer;
    }
    buffer_widths_.push_back(width);
    return buffer_widths_.size() - 1;
  }

  std::vector<size_t> buffer_of_value_;
  std::vector<int64_t> buffer_widths_;
};

// Grows when a step needs more than any before it; never shrinks.
void grow(AlignedArray<float>& buffer, int64_t count) {
  if (static_cast<int64_t>(buffer.size()) < count) buffer = AlignedArray<float>(static_cast<size_t>(count));
}

}  // namespace

class Decoder::Impl {
 public:
  Impl(Executor& executor, const Model& model, const DecoderOptions& options)
      : executor_(executor),
        graph_(options.fuses ? fused_graph(model, options.activations) : model.graph),
        layers_(make_inference_layers(executor, model, graph_, options.activations)),
        hidden_(final_hidden_state(model.graph)),
        hidden_call_count_(call_count_to(graph_, hidden_)),
        plan_(graph_),
        buffers_(plan_.buffer_count()),
        activations_(model.graph.value_widths.size()),
        rope_tables_(model.graph.ropes.size()),
        is_for_selected_rows_(weights_of_selected_rows(model.graph)),
        adapted_rows_(model.graph.weights.size()) {
    const int64_t longest = options.context_length.value_or(model.spec.context_length);
    for (RopeParameters& rope : graph_.ropes) rope = rope.for_length(longest);
    for (const KvCacheShape& cache : graph_.caches) {
      const int64_t page_count =
          cache.window ? options.local_page_count.value_or(options.page_count) : options.page_count;
      caches_.emplace_back(options.kv_type, page_count, cache.key_value_head_count, cache.head_width);
    }
  }

  std::span<const float> step(const StepBatch& batch) {
    run(batch, {});
    return logits();
  }

  const LargestRows& step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks) {
    largest_.set_masks(masks ? &masks : nullptr);
    largest_.start(0, count, 1);  // where no row is wanted, the call that fills it is not made
    run(batch, {count, &largest_});
    const bool is_fused = std::any_of(graph_.calls.begin(), graph_.calls.end(), [](const LayerCall& call) {
      return std::holds_alternative<LogitsTopKCall>(call.kind);
    });
    if (!is_fused && !batch.logit_rows.empty()) {
      const int64_t row_count = static_cast<int64_t>(batch.logit_rows.size());
      largest_of_rows(executor_, {logits().data(), row_count, logits_activation().width}, count, largest_);
    }
    return largest_;
  }

  std::span<const float> step_hidden(const StepBatch& batch) {
    run(batch, {}, hidden_call_count_);
    return values_of(activations_[index_of(hidden_)]);
  }

  void copy_page(int32_t from, int32_t to, bool with_window) {
    for (size_t i = 0; i < caches_.size(); ++i) {
      KvLayerCache& cache = caches_[i];
      if (graph_.caches[i].window.has_value() != with_window) continue;
      std::memcpy(cache.page(to), cache.page(from), static_cast<size_t>(cache.page_bytes()));
    }
  }

  const Graph& graph() const { return graph_; }
  void set_observer(CallObserver observer) { observer_ = std::move(observer); }

 private:
  struct LargestWanted {
    int64_t count = 0;
    LargestRows* rows = nullptr;
  };

  const Activation& logits_activation() const { return activations_[index_of(graph_.logits)]; }
  std::span<const float> logits() const { return values_of(logits_activation()); }
  static std::span<const float> values_of(const Activation& activation) {
    return {activation.data, static_cast<size_t>(activation.row_count * activation.width)};
  }

  // How many calls make `value` and all before it.
  static size_t call_count_to(const Graph& graph, ValueId value) {
    for (size_t i = graph.calls.size(); i-- > 0;) {
      const std::vector<ValueId> outputs = graph.calls[i].outputs();
      if (std::find(outputs.begin(), outputs.end(), value) != outputs.end()) return i + 1;
    }
    PELTON_UNREACHABLE();
  }

  void run(const StepBatch& batch, const LargestWanted& largest) { run(batch, largest, layers_.size()); }

  void run(const StepBatch& batch, const LargestWanted& largest, size_t call_count) {
    StepContext context;
    context.largest_count = largest.count;
    context.largest = largest.rows;
    context.executor = &executor_;
    context.tokens = batch.tokens;
    fill_positions(batch);
    context.positions = positions_;
    for (size_t i = 0; i < graph_.ropes.size(); ++i) rope_tables_[i].prepare(executor_, graph_.ropes[i], positions_);
    context.rope_tables = rope_tables_;
    context.selected_rows = batch.logit_rows;
    context.shared_input = &shared_input_;
    context.caches = caches_;
    context.cache_sequences = sequences_by_cache(batch);
    context.sequences = {offsets_};
    CHECK(batch.token_types.empty() || batch.token_types.size() == batch.tokens.size());
    no_token_types_.resize(batch.tokens.size(), 0);
    context.token_types = batch.token_types.empty() ? no_token_types_ : batch.token_types;
    shared_input_.start_step();
    if (fill_adapted_rows(batch)) context.adapted_rows = adapted_rows_;

    if (observer_) {
      run_observed(context, call_count);
    } else {
      for (size_t i = 0; i < call_count; ++i) run_call(context, i);
    }
  }

  void fill_positions(const StepBatch& batch) {
    positions_.resize(batch.tokens.size());
    offsets_.assign(1, 0);
    int64_t row = 0;
    for (const AttentionSequence& sequence : batch.sequences) {
      CHECK(sequence.row_begin == row && sequence.row_count > 0);
      CHECK(!caches_.empty() || sequence.first_position == 0);
      std::iota(positions_.begin() + row, positions_.begin() + row + sequence.row_count,
                static_cast<int32_t>(sequence.first_position));
      row += sequence.row_count;
      offsets_.push_back(row);
    }
    CHECK(row == static_cast<int64_t>(batch.tokens.size()));
  }

  // Which weights are read behind the selection of rows. By Graph::weights.
  static std::vector<bool> weights_of_selected_rows(const Graph& graph) {
    std::set<std::string, std::less<>> names;
    bool is_behind = false;
    for (const LayerCall& call : graph.calls) {
      if (is_behind) names.insert(call.weight);
      is_behind = is_behind || std::holds_alternative<SelectRowsCall>(call.kind);
    }
    std::vector<bool> are_behind;
    for (const WeightSpec& weight : graph.weights) are_behind.push_back(names.contains(weight.name));
    return are_behind;
  }

  // False: no row has an adapter.
  bool fill_adapted_rows(const StepBatch& batch) {
    CHECK(batch.adapters.empty() || batch.adapters.size() == batch.sequences.size());
    if (std::all_of(batch.adapters.begin(), batch.adapters.end(),
                    [](const PreparedAdapter* adapter) { return adapter == nullptr; })) {
      return false;
    }
    for (std::vector<AdaptedRows>& rows : adapted_rows_) rows.clear();
    for (size_t begin = 0; begin < batch.sequences.size();) {
      size_t end = begin + 1;
      while (end < batch.sequences.size() && batch.adapters[end] == batch.adapters[begin]) ++end;
      const AttentionSequence& last = batch.sequences[end - 1];
      const Range rows{batch.sequences[begin].row_begin, last.row_begin + last.row_count};
      if (batch.adapters[begin] != nullptr) add_adapted_rows(*batch.adapters[begin], rows, batch.logit_rows);
      begin = end;
    }
    return true;
  }

  void add_adapted_rows(const PreparedAdapter& adapter, Range rows, std::span<const int32_t> logit_rows) {
    const auto selected = [&](int64_t row) {
      return std::lower_bound(logit_rows.begin(), logit_rows.end(), row) - logit_rows.begin();
    };
    const Range selected_rows{selected(rows.begin), selected(rows.end)};
    CHECK(adapter.terms().size() == adapted_rows_.size());
    for (size_t i = 0; i < adapted_rows_.size(); ++i) {
      const Range of_weight = is_for_selected_rows_[i] ? selected_rows : rows;
      if (adapter.terms()[i] == nullptr || of_weight.begin == of_weight.end) continue;
      adapted_rows_[i].push_back({of_weight, adapter.terms()[i]});
    }
  }

  std::span<const std::span<const AttentionSequence>> sequences_by_cache(const StepBatch& batch) {
    CHECK(batch.local_pages.empty() || batch.local_pages.size() == batch.sequences.size());
    local_sequences_ = batch.sequences;
    for (size_t i = 0; i < batch.local_pages.size(); ++i) local_sequences_[i].pages = batch.local_pages[i];
    cache_sequences_.clear();
    for (const KvCacheShape& cache : graph_.caches) {
      cache_sequences_.push_back(cache.window ? std::span(std::as_const(local_sequences_))
                                              : std::span(batch.sequences));
    }
    return cache_sequences_;
  }

  void run_observed(const StepContext& context, size_t call_count) {
    const SteadyClock clock;
    for (size_t i = 0; i < call_count; ++i) {
      const TimePoint start = clock.now();
      run_call(context, i);
      observer_(i, clock.now() - start);
    }
  }

  void run_call(const StepContext& context, size_t index) {
    const LayerCall& call = graph_.calls[index];
    inputs_.clear();
    for (const ValueId input : call.inputs) inputs_.push_back(activations_[index_of(input)]);
    const int64_t row_count = layers_[index]->output_rows(context, inputs_);
    outputs_.clear();
    outputs_.push_back(prepare_output(call.output, row_count));
    for (const ValueId output : call.further_outputs) outputs_.push_back(prepare_output(output, row_count));
    if (row_count > 0) layers_[index]->run(context, inputs_, outputs_);
  }

  Output prepare_output(ValueId value, int64_t row_count) {
    const int64_t width = graph_.value_widths[index_of(value)];
    AlignedArray<float>& buffer = buffers_[plan_.buffer_of(value)];
    grow(buffer, row_count * width);
    const auto id = static_cast<int32_t>(value);
    activations_[index_of(value)] = {buffer.data(), row_count, width, id};
    return {buffer.data(), width, id};
  }

  Executor& executor_;
  Graph graph_;
  std::vector<std::unique_ptr<InferenceLayer>> layers_;
  ValueId hidden_;
  size_t hidden_call_count_;  // calls that make it
  BufferPlan plan_;
  std::vector<AlignedArray<float>> buffers_;
  std::vector<Activation> activations_;  // by value, of the step that runs
  std::vector<Activation> inputs_;       // of the call that runs
  std::vector<Output> outputs_;
  std::vector<int32_t> positions_;
  std::vector<int64_t> offsets_;  // of the step's sequences
  std::vector<int32_t> no_token_types_;
  std::vector<RopeTable> rope_tables_;
  std::vector<KvLayerCache> caches_;
  std::vector<AttentionSequence> local_sequences_;  // those of the step, with their pages in layers with a window
  std::vector<std::span<const AttentionSequence>> cache_sequences_;
  SharedInput shared_input_;
  std::vector<bool> is_for_selected_rows_;              // by Graph::weights, likewise below
  std::vector<std::vector<AdaptedRows>> adapted_rows_;  // of the step, where a row has an adapter
  LargestRows largest_;
  CallObserver observer_;
};

ElementType default_kv_type(ActivationType activations) {
  return activations == ActivationType::kInt8 ? ElementType::kI8 : ElementType::kF32;
}

Decoder::Decoder(Executor& executor, std::shared_ptr<const Model> model, const DecoderOptions& options)
    : model_(std::move(model)), options_(options), impl_(std::make_unique<Impl>(executor, *model_, options)) {}

Decoder::~Decoder() = default;

std::span<const float> Decoder::step(const StepBatch& batch) { return impl_->step(batch); }

const LargestRows& Decoder::step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks) {
  return impl_->step_largest(batch, count, masks);
}

std::span<const float> Decoder::step_hidden(const StepBatch& batch) { return impl_->step_hidden(batch); }

void Decoder::copy_page(int32_t from, int32_t to, bool with_window) { impl_->copy_page(from, to, with_window); }

const Graph& Decoder::graph() const { return impl_->graph(); }

void Decoder::set_observer(CallObserver observer) { impl_->set_observer(std::move(observer)); }

int64_t Decoder::weight_traffic_bytes() const {
  int64_t bytes = 0;
  for (const LayerCall& call : model_->graph.calls) {
    if (std::holds_alternative<EmbeddingCall>(call.kind) || std::holds_alternative<PositionEmbeddingCall>(call.kind) ||
        std::holds_alternative<TokenTypeEmbeddingCall>(call.kind)) {
      continue;
    }
    int64_t of_call = 0;
    for (const std::string& weight : call.weights()) of_call += model_->weights.at(weight).size_bytes();
    if (const auto* experts = std::get_if<ExpertsCall>(&call.kind)) {
      of_call = of_call / experts->routing.expert_count * experts->routing.active_count;
    }
    bytes += of_call;
  }
  return bytes;
}

int64_t Decoder::kv_bytes() const {
  const KvPageBytes bytes = kv_page_bytes(*model_, options_.kv_type);
  return options_.page_count * bytes.global + options_.local_page_count.value_or(options_.page_count) * bytes.local;
}

KvPageBytes Decoder::kv_page_bytes(const Model& model, ElementType kv_type) {
  KvPageBytes bytes;
  for (const KvCacheShape& cache : model.graph.caches) {
    (cache.window ? bytes.local : bytes.global) +=
        cache.key_value_head_count * kv_block_bytes(kv_type, cache.head_width);
  }
  return bytes;
}

}  // namespace pelton
