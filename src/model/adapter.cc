#include "model/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/error.h"
#include "ops/gemm.h"
#include "quant/blocks.h"
#include "quant/largest_encodable.h"

namespace pelton {
namespace {

// The value ids and weights of a list that is being extended.
class Extension {
 public:
  explicit Extension(const Graph& graph) : graph_(graph) { graph_.calls.clear(); }

  void add(LayerCall call) { graph_.calls.push_back(std::move(call)); }
  ValueId new_value(int64_t width) {
    graph_.value_widths.push_back(width);
    return static_cast<ValueId>(graph_.value_widths.size() - 1);
  }
  int64_t width_of(ValueId value) const { return graph_.value_widths[index_of(value)]; }
  void add_weight(std::string name, Shape shape) { graph_.weights.push_back({std::move(name), shape}); }
  Graph finish() { return std::move(graph_); }

 private:
  Graph graph_;
};

std::string a_name(const std::string& weight) { return weight + std::string(kLoraASuffix); }
std::string b_name(const std::string& weight) { return weight + std::string(kLoraBSuffix); }

// y = W x becomes base = W x, low = A x, high = B low, y = base + scale · high.
void add_adapted(const LayerCall& call, const AdapterMatrix& matrix, Extension& list) {
  const int64_t width = list.width_of(call.output);
  LayerCall base = call;
  base.output = list.new_value(width);
  const LayerCall low{LinearCall{}, call.name + ".lora_a", call.inputs, list.new_value(matrix.a.shape()[0]),
                      a_name(matrix.weight)};
  const LayerCall high{LinearCall{}, call.name + ".lora_b", {low.output}, list.new_value(width), b_name(matrix.weight)};
  const LayerCall scaled{ScaleCall{matrix.scale}, call.name + ".lora_scale", {high.output}, list.new_value(width), ""};
  const ValueId addend = matrix.scale == 1 ? high.output : scaled.output;
  const LayerCall sum{AddCall{}, call.name + ".lora_sum", {base.output, addend}, call.output, ""};
  list.add(base);
  list.add(low);
  list.add(high);
  if (addend != high.output) list.add(scaled);
  list.add(sum);
}

std::shared_ptr<const Model> changed(const Model& base, Graph graph, std::map<std::string, Tensor> weights) {
  return std::make_shared<const Model>(Model{.architecture = base.architecture,
                                             .naming = base.naming,
                                             .spec = base.spec,
                                             .graph = std::move(graph),
                                             .weights = base.weights.with(std::move(weights))});
}

Tensor decoded(const Tensor& weight) {
  Tensor values = Tensor::f32(weight.shape());
  decode_function(weight.type())(weight.data(), values.mutable_floats(), weight.shape().element_count());
  return values;
}

// W + scale · B A
Tensor merged(Executor& executor, const Tensor& weight, const AdapterMatrix& matrix) {
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1], rank = matrix.a.shape()[0];
  Tensor sum = decoded(weight);
  Tensor scaled_b = Tensor::f32(matrix.b.shape());
  std::transform(matrix.b.floats(), matrix.b.floats() + rows * rank, scaled_b.mutable_floats(),
                 [&](float value) { return value * matrix.scale; });
  gemm_f32(executor, {.m = rows, .n = columns, .k = rank, .beta = 1}, scaled_b.floats(), matrix.a.floats(),
           sum.mutable_floats());
  return sum;
}

// In the type that the base has.
Tensor merged_in_type(Executor& executor, const Tensor& weight, const AdapterMatrix& matrix) {
  const ElementType type = weight.type();
  if (info(type).block_elements != 1) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} is of type {}: merging would round most of the adapter away; apply it unmerged, or to "
                            "the weights before they were quantised",
                            matrix.weight, element_type_name(type)));
  }
  const int64_t count = weight.shape().element_count();
  Tensor sum = merged(executor, weight, matrix);
  const float largest = largest_encodable(type);
  if (!std::all_of(sum.floats(), sum.floats() + count, [&](float value) { return std::abs(value) <= largest; })) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} with the adapter does not fit into {}; apply it unmerged",
                                                     matrix.weight, element_type_name(type)));
  }
  if (type == ElementType::kF32) return sum;
  Tensor result(type, weight.shape());
  encode_function(type)(sum.floats(), result.mutable_data(), count);
  return result;
}

}  // namespace

std::shared_ptr<const Model> with_adapter(const Model& base, const Adapter& adapter) {
  std::map<std::string, const AdapterMatrix*, std::less<>> matrices;
  std::map<std::string, Tensor> weights;
  Extension list(base.graph);
  for (const AdapterMatrix& matrix : adapter.matrices) {
    CHECK(matrices.emplace(matrix.weight, &matrix).second);
    weights.emplace(a_name(matrix.weight), matrix.a);
    weights.emplace(b_name(matrix.weight), matrix.b);
    list.add_weight(a_name(matrix.weight), matrix.a.shape());
    list.add_weight(b_name(matrix.weight), matrix.b.shape());
  }
  for (const LayerCall& call : base.graph.calls) {
    const auto found = matrices.find(call.weight);
    if (found == matrices.end()) {
      list.add(call);
      continue;
    }
    CHECK(std::holds_alternative<LinearCall>(call.kind));
    add_adapted(call, *found->second, list);
  }
  return changed(base, list.finish(), std::move(weights));
}

std::shared_ptr<const Model> merge_adapter(Executor& executor, const Model& base, const Adapter& adapter) {
  std::map<std::string, Tensor> weights;
  for (const AdapterMatrix& matrix : adapter.matrices) {
    weights.emplace(matrix.weight, merged_in_type(executor, base.weights.at(matrix.weight), matrix));
  }
  return with_weights(base, std::move(weights));
}

MergedWeights merged_weights(Executor& executor, const Model& base, const Adapter& adapter) {
  MergedWeights result;
  double squares = 0, change_squares = 0;
  for (const AdapterMatrix& matrix : adapter.matrices) {
    const Tensor& weight = base.weights.at(matrix.weight);
    const Tensor before = decoded(weight);
    Tensor sum = merged(executor, weight, matrix);
    for (int64_t i = 0; i < sum.shape().element_count(); ++i) {
      const double value = before.floats()[i];
      const double change = static_cast<double>(sum.floats()[i]) - value;
      squares += value * value;
      change_squares += change * change;
    }
    result.weights.emplace(matrix.weight, std::move(sum));
  }
  result.change = squares == 0 ? 0 : std::sqrt(change_squares / squares);
  return result;
}

}  // namespace pelton
