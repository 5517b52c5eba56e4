#include "plan/work.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace pelton {
namespace {

constexpr double kFloatBytes = 4;

// Counts one call; one overload a kind.
class WorkCounter {
 public:
  WorkCounter(const WorkModel& model, const StepRows& rows)
      : model_(model), rows_(rows), row_counts_(model.graph.value_widths.size()) {
    for (const SequenceRows& sequence : rows.sequences) row_count_ += sequence.row_count;
  }

  CallWork count(const LayerCall& call) {
    if (call.is_fused()) return count_fused(call);
    int64_t row_count = call.inputs.empty() ? row_count_ : row_counts_[index_of(call.inputs[0])];
    if (std::holds_alternative<SelectRowsCall>(call.kind)) row_count = rows_.logit_row_count;
    row_counts_[index_of(call.output)] = row_count;

    CallWork work = std::visit([&](const auto& kind) { return (*this)(call, kind); }, call.kind);
    work.activation_bytes = activation_bytes(call);
    return work;
  }

 private:
  // What its parts do, without the passing of values from one to the next.
  CallWork count_fused(const LayerCall& call) {
    CallWork work;
    for (const LayerCall& part : call.parts) work += count(part);
    work.activation_bytes = activation_bytes(call);
    return work;
  }
  CallWork operator()(const LayerCall&, const FusedCall&) const { PELTON_UNREACHABLE(); }

  double activation_bytes(const LayerCall& call) const {
    double count = 0;
    for (const ValueId output : call.outputs()) count += elements(output);
    for (const ValueId input : call.inputs) count += elements(input);
    return kFloatBytes * count;
  }

  CallWork operator()(const LayerCall& call, const EmbeddingCall&) {
    const double rows = static_cast<double>(row_counts_[index_of(call.output)]);
    return {.weight_bytes = rows * static_cast<double>(model_.weight_bytes(call.weight)) / table_rows(call)};
  }
  CallWork operator()(const LayerCall& call, const PositionEmbeddingCall&) { return (*this)(call, EmbeddingCall{}); }
  CallWork operator()(const LayerCall& call, const TokenTypeEmbeddingCall&) { return (*this)(call, EmbeddingCall{}); }
  CallWork operator()(const LayerCall& call, const LinearCall&) {
    const double sums = call.bias.empty() ? 0 : elements(call.output);
    return {.weight_bytes = weight_bytes(call), .operations = 2 * elements(call.inputs[0]) * width(call.output) + sums};
  }
  // Squares and their sum; two products.
  CallWork operator()(const LayerCall& call, const RmsNormCall&) {
    return {.weight_bytes = weight_bytes(call), .operations = 4 * elements(call.output)};
  }
  // The mean; differences, their squares and their sum; two products and a sum.
  CallWork operator()(const LayerCall& call, const LayerNormCall&) {
    return {.weight_bytes = weight_bytes(call), .operations = 7 * elements(call.output)};
  }
  // A pair takes four products and two sums.
  CallWork operator()(const LayerCall& call, const RopeCall&) { return {.operations = 3 * elements(call.output)}; }
  // A query row meets each position that it sees twice: with its key and with its value.
  CallWork operator()(const LayerCall& call, const AttentionCall& kind) {
    const AttentionShape& shape = kind.shape;
    const double position_bytes =
        static_cast<double>(shape.key_value_head_count * kv_block_bytes(model_.kv_type, shape.head_width)) /
        KvLayerCache::kPageTokens;
    const double pair_operations = static_cast<double>(4 * shape.query_head_count * shape.head_width);
    CallWork work;
    work.weight_bytes = weight_bytes(call);  // of its sinks
    if (!shape.is_causal) {
      for (const SequenceRows& sequence : rows_.sequences)
        work.operations += pair_operations * pair_count(shape, sequence);
      return work;
    }
    const double write_count = kind.writes ? 1 : 0;
    for (const SequenceRows& sequence : rows_.sequences) {
      const double count = static_cast<double>(sequence.row_count);
      const double first = static_cast<double>(sequence.first_position);
      const double unseen = static_cast<double>(positions_before_window(shape, sequence.first_position));
      work.kv_bytes +=
          position_bytes * (first - unseen + count + write_count * count);  // what is seen read, the new ones written
      work.operations += pair_operations * (count * first + count * (count + 1) / 2 - unseen_pairs(shape, sequence));
    }
    return work;
  }
  // e^-z, a sum, a quotient, a product: as an operation each.
  CallWork operator()(const LayerCall& call, const SiluGateCall&) { return {.operations = 4 * elements(call.output)}; }
  // Seven more for the cubic.
  CallWork operator()(const LayerCall& call, const GeluGateCall&) { return {.operations = 11 * elements(call.output)}; }
  CallWork operator()(const LayerCall& call, const GeluErfGateCall&) {
    return {.operations = 21 * elements(call.output)};
  }
  CallWork operator()(const LayerCall& call, const GeluCall&) { return {.operations = 10 * elements(call.output)}; }
  // e^-z²/2, a quotient, a polynomial of the fifth degree and what joins them.
  CallWork operator()(const LayerCall& call, const GeluErfCall&) { return {.operations = 20 * elements(call.output)}; }
  CallWork operator()(const LayerCall& call, const AddCall&) { return {.operations = elements(call.output)}; }
  CallWork operator()(const LayerCall& call, const ScaleCall&) { return {.operations = elements(call.output)}; }
  CallWork operator()(const LayerCall& call, const ColumnScaleCall&) { return {.operations = elements(call.output)}; }
  CallWork operator()(const LayerCall& call, const DropoutCall&) { return {.operations = 10 * elements(call.output)}; }
  // As e^2x, two sums and two quotients with a product.
  CallWork operator()(const LayerCall& call, const SoftCapCall&) { return {.operations = 6 * elements(call.output)}; }
  CallWork operator()(const LayerCall&, const SelectRowsCall&) { return {}; }
  CallWork operator()(const LayerCall&, const ColumnsCall&) { return {}; }
  CallWork operator()(const LayerCall&, const JoinCall&) { return {}; }
  CallWork operator()(const LayerCall& call, const StoredScaleCall&) { return {.operations = elements(call.output)}; }
  // Three products a row and expert, its gate, and the weighted sum. Of the weights, those of the experts that some row
  // reaches: the expected number, if rows choose independently and all experts are equally likely.
  CallWork operator()(const LayerCall& call, const ExpertsCall& kind) {
    const double rows = static_cast<double>(row_counts_[index_of(call.output)]);
    const double share =
        static_cast<double>(kind.routing.active_count) / static_cast<double>(kind.routing.expert_count);
    const double slots = rows * static_cast<double>(kind.routing.active_count);
    const double hidden = static_cast<double>(kind.hidden_width);
    const double sums = kind.has_biases ? 2 * hidden + width(call.output) : 0;
    return {.weight_bytes = weight_bytes(call) * (1 - std::pow(1 - share, rows)),
            .operations = slots * (6 * hidden * width(call.output) + 4 * hidden + 2 * width(call.output) + sums)};
  }

  // Of a whole sequence in both directions.
  static double pair_count(const AttentionShape& shape, const SequenceRows& sequence) {
    int64_t pairs = 0;
    for (int64_t position = 0; position < sequence.row_count; ++position) {
      pairs += shape.end_visible(position, sequence.row_count) - shape.first_visible(position);
    }
    return static_cast<double>(pairs);
  }
  static int64_t positions_before_window(const AttentionShape& shape, int64_t position) {
    return shape.window ? std::max<int64_t>(0, position + 1 - *shape.window) : 0;
  }
  // Pairs of a row and a position before its window. From the first row that has any on, each has one more than the one
  // before it.
  static double unseen_pairs(const AttentionShape& shape, const SequenceRows& sequence) {
    const int64_t end = sequence.first_position + sequence.row_count;
    const auto most = static_cast<double>(positions_before_window(shape, end - 1));
    const auto before_first = static_cast<double>(positions_before_window(shape, sequence.first_position - 1));
    return (most * (most + 1) - before_first * (before_first + 1)) / 2;
  }

  double width(ValueId value) const { return static_cast<double>(model_.graph.value_widths[index_of(value)]); }
  double elements(ValueId value) const { return static_cast<double>(row_counts_[index_of(value)]) * width(value); }
  // A call without rows is not made.
  double weight_bytes(const LayerCall& call) const {
    if (row_counts_[index_of(call.output)] == 0) return 0;
    double bytes = 0;
    for (const std::string& weight : call.weights()) bytes += static_cast<double>(model_.weight_bytes(weight));
    return bytes;
  }
  double table_rows(const LayerCall& call) const {
    const auto found = std::find_if(model_.graph.weights.begin(), model_.graph.weights.end(),
                                    [&](const WeightSpec& weight) { return weight.name == call.weight; });
    CHECK(found != model_.graph.weights.end());
    return static_cast<double>(found->shape[0]);
  }

  const WorkModel& model_;
  const StepRows& rows_;
  int64_t row_count_ = 0;
  std::vector<int64_t> row_counts_;  // by value
};

}  // namespace

CallWork& CallWork::operator+=(const CallWork& other) {
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  activation_bytes += other.activation_bytes;
  operations += other.operations;
  return *this;
}

std::vector<CallWork> step_work(const WorkModel& model, const StepRows& rows) {
  WorkCounter counter(model, rows);
  std::vector<CallWork> work;
  for (const LayerCall& call : model.graph.calls) work.push_back(counter.count(call));
  return work;
}

CallWork total(std::span<const CallWork> calls) {
  CallWork sum;
  for (const CallWork& call : calls) sum += call;
  return sum;
}

}  // namespace pelton
