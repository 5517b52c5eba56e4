#include "model/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

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
  uint64_t call_count() const { return graph_.calls.size(); }
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

// What a part of the adapter adds to the model's weights.
struct AddedNames {
  AddedNames(const std::string& weight, std::string_view tag)
      : a(fmt::format("{}{}{}", weight, tag, kLoraASuffix)),
        b(fmt::format("{}{}{}", weight, tag, kLoraBSuffix)),
        factor(fmt::format("{}{}{}", weight, tag, kDoraFactorSuffix)),
        ia3(fmt::format("{}{}{}", weight, tag, kIa3Suffix)) {}
  std::string a, b, factor, ia3;
};

// y = W x becomes base = W x, low = A x, high = B low, y = base + scale · high. With dropout, low = A dropout(x). With
// DoRA, y = factor ⊙ (base + scale · high), and the bias of the call after that.
void add_adapted(const LayerCall& call, const AdapterMatrix& matrix, const BesideOptions& options, Extension& list) {
  const AddedNames names(matrix.weight, options.tag);
  const auto call_name = [&](std::string_view part) { return fmt::format("{}{}{}", call.name, options.tag, part); };
  const int64_t width = list.width_of(call.output);
  LayerCall base = call;
  base.output = list.new_value(width);
  std::vector<ValueId> low_inputs = call.inputs;
  if (options.dropout > 0) {
    low_inputs = {list.new_value(list.width_of(call.inputs[0]))};
    list.add({DropoutCall{static_cast<float>(options.dropout), list.call_count() * uint64_t{0x9E3779B97F4A7C15}},
              call_name(".lora_dropout"), call.inputs, low_inputs[0], ""});
  }
  const LayerCall low{LinearCall{}, call_name(".lora_a"), low_inputs, list.new_value(matrix.a.shape()[0]), names.a};
  const LayerCall high{LinearCall{}, call_name(".lora_b"), {low.output}, list.new_value(width), names.b};
  const LayerCall scaled{ScaleCall{matrix.scale}, call_name(".lora_scale"), {high.output}, list.new_value(width), ""};
  const ValueId addend = matrix.scale == 1 ? high.output : scaled.output;
  LayerCall sum{AddCall{}, call_name(".lora_sum"), {base.output, addend}, call.output, ""};
  LayerCall sized{ColumnScaleCall{}, call_name(".dora_factor"), {}, call.output, names.factor};
  if (matrix.is_dora()) {
    sum.output = list.new_value(width);
    sized.inputs = {sum.output};
    sized.bias = std::exchange(base.bias, "");
  }
  list.add(base);
  list.add(low);
  list.add(high);
  if (addend != high.output) list.add(scaled);
  list.add(sum);
  if (matrix.is_dora()) list.add(sized);
}

// y = W x + bias becomes y = factors ⊙ (W x + bias), or W (factors ⊙ x) + bias.
void add_scaled(const LayerCall& call, const AdapterScaling& scaling, const BesideOptions& options, Extension& list) {
  LayerCall base = call;
  LayerCall factors{ColumnScaleCall{},
                    fmt::format("{}{}{}", call.name, options.tag, kIa3Suffix),
                    {},
                    call.output,
                    AddedNames(scaling.weight, options.tag).ia3};
  if (scaling.axis == ScaledAxis::kColumns) {
    factors.inputs = call.inputs;
    factors.output = list.new_value(list.width_of(call.inputs[0]));
    base.inputs = {factors.output};
    list.add(factors);
    list.add(base);
  } else {
    base.output = list.new_value(list.width_of(call.output));
    factors.inputs = {base.output};
    list.add(base);
    list.add(factors);
  }
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

// W + scale · B A, its rows as long as DoRA says.
Tensor merged(Executor& executor, const Tensor& weight, const AdapterMatrix& matrix) {
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1], rank = matrix.a.shape()[0];
  Tensor sum = decoded(weight);
  Tensor scaled_b = Tensor::f32(matrix.b.shape());
  std::transform(matrix.b.floats(), matrix.b.floats() + rows * rank, scaled_b.mutable_floats(),
                 [&](float value) { return value * matrix.scale; });
  gemm_f32(executor, {.m = rows, .n = columns, .k = rank, .beta = 1}, scaled_b.floats(), matrix.a.floats(),
           sum.mutable_floats());
  if (matrix.is_dora()) {
    const Tensor factors = dora_factors(executor, weight, matrix);
    for (int64_t row = 0; row < rows; ++row) {
      float* values = sum.mutable_floats() + row * columns;
      for (int64_t column = 0; column < columns; ++column) values[column] *= factors.floats()[row];
    }
  }
  return sum;
}

// A matrix with its rows or columns multiplied; or a vector with its numbers, which are rows.
Tensor scaled(const Tensor& weight, const AdapterScaling& scaling) {
  Tensor product = decoded(weight);
  const int64_t rows = weight.shape()[0];
  const int64_t columns = weight.shape().element_count() / rows;
  const float* factors = scaling.factors.floats();
  for (int64_t row = 0; row < rows; ++row) {
    float* values = product.mutable_floats() + row * columns;
    for (int64_t column = 0; column < columns; ++column) {
      values[column] *= factors[scaling.axis == ScaledAxis::kRows ? row : column];
    }
  }
  return product;
}

// body(name, weight) for each of the base's that the adapter changes, changed, in F32.
template <typename Body>
void for_each_merged(Executor& executor, const Model& base, const Adapter& adapter, Body body) {
  for (const AdapterMatrix& matrix : adapter.matrices) {
    body(matrix.weight, merged(executor, base.weights.at(matrix.weight), matrix));
  }
  for (const AdapterScaling& scaling : adapter.scalings) {
    body(scaling.weight, scaled(base.weights.at(scaling.weight), scaling));
    const std::string bias = bias_of(base, scaling.weight);
    if (scaling.axis == ScaledAxis::kRows && !bias.empty()) body(bias, scaled(base.weights.at(bias), scaling));
  }
}

// In the type that the base has.
Tensor in_type_of(const Tensor& weight, const std::string& name, const Tensor& changed) {
  const ElementType type = weight.type();
  if (info(type).block_elements != 1) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} is of type {}: merging would round most of the adapter away; apply it unmerged, or to "
                            "the weights before they were quantised",
                            name, element_type_name(type)));
  }
  const int64_t count = weight.shape().element_count();
  const float largest = largest_encodable(type);
  if (!std::all_of(changed.floats(), changed.floats() + count,
                   [&](float value) { return std::abs(value) <= largest; })) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} with the adapter does not fit into {}; apply it unmerged",
                                                     name, element_type_name(type)));
  }
  if (type == ElementType::kF32) return changed;
  Tensor result(type, weight.shape());
  encode_function(type)(changed.floats(), result.mutable_data(), count);
  return result;
}

}  // namespace

std::string bias_of(const Model& base, std::string_view weight) {
  std::optional<std::string> bias;
  for (const LayerCall& call : base.graph.calls) {
    if (call.weight != weight) continue;
    CHECK(!bias || *bias == call.bias);
    bias = call.bias;
  }
  CHECK(bias.has_value());
  return *bias;
}

RowNorms::RowNorms(Executor& executor, const Tensor& weight)
    : weight_(weight), squares_(static_cast<size_t>(weight.shape()[0])) {
  const int64_t columns = weight.shape()[1];
  std::vector<std::vector<float>> decoded(static_cast<size_t>(executor.thread_count()));
  for (std::vector<float>& row : decoded) row.resize(static_cast<size_t>(columns));
  executor.parallel([&](int thread, int thread_count) {
    const Range rows = split_range(weight_.shape()[0], 1, thread, thread_count);
    std::vector<float>& values = decoded[static_cast<size_t>(thread)];
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      decode_function(weight_.type())(weight_.row(row), values.data(), columns);
      double sum = 0;
      for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
      squares_[static_cast<size_t>(row)] = sum;
    }
  });
}

// |w + s b A|² = |w|² + 2 s b · (A w) + s² b · (A Aᵀ b).
void RowNorms::compute(Executor& executor, const AdapterMatrix& matrix, float* norms) const {
  const int64_t columns = weight_.shape()[1], rank = matrix.a.shape()[0];
  std::vector<float> a_transposed(static_cast<size_t>(columns * rank));
  for (int64_t r = 0; r < rank; ++r) {
    for (int64_t k = 0; k < columns; ++k)
      a_transposed[static_cast<size_t>(k * rank + r)] = matrix.a.floats()[r * columns + k];
  }
  std::vector<float> gram(static_cast<size_t>(rank * rank));
  gemm_f32(executor, {.m = rank, .n = rank, .k = columns, .is_b_transposed = true}, matrix.a.floats(),
           matrix.a.floats(), gram.data());
  struct Room {
    std::vector<float> row, product;
  };
  std::vector<Room> rooms(static_cast<size_t>(executor.thread_count()));
  for (Room& room : rooms)
    room = {std::vector<float>(static_cast<size_t>(columns)), std::vector<float>(static_cast<size_t>(rank))};
  const auto scale = static_cast<double>(matrix.scale);
  executor.parallel([&](int thread, int thread_count) {
    const Range rows = split_range(weight_.shape()[0], 1, thread, thread_count);
    auto& [values, product] = rooms[static_cast<size_t>(thread)];
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      decode_function(weight_.type())(weight_.row(row), values.data(), columns);
      std::fill(product.begin(), product.end(), 0.0f);
      for (int64_t k = 0; k < columns; ++k) {
        const float* a_column = a_transposed.data() + k * rank;
        for (int64_t r = 0; r < rank; ++r)
          product[static_cast<size_t>(r)] += values[static_cast<size_t>(k)] * a_column[r];
      }
      const float* b = matrix.b.floats() + row * rank;
      double linear = 0, quadratic = 0;
      for (int64_t r = 0; r < rank; ++r) {
        double gram_b = 0;
        for (int64_t i = 0; i < rank; ++i)
          gram_b += static_cast<double>(gram[static_cast<size_t>(r * rank + i)]) * static_cast<double>(b[i]);
        linear += static_cast<double>(b[r]) * static_cast<double>(product[static_cast<size_t>(r)]);
        quadratic += static_cast<double>(b[r]) * gram_b;
      }
      const double square = squares_[static_cast<size_t>(row)] + 2 * scale * linear + scale * scale * quadratic;
      norms[row] = static_cast<float>(std::sqrt(std::max(square, 1e-30)));  // a row of zeros stays one
    }
  });
}

Tensor dora_factors(Executor& executor, const Tensor& weight, const AdapterMatrix& matrix) {
  Tensor factors = Tensor::f32(matrix.magnitude.shape());
  RowNorms(executor, weight).compute(executor, matrix, factors.mutable_floats());
  for (int64_t row = 0; row < factors.shape()[0]; ++row) {
    float& factor = factors.mutable_floats()[row];
    factor = matrix.magnitude.floats()[row] / factor;
  }
  return factors;
}

std::shared_ptr<const Model> with_adapter(const Model& base, const Adapter& adapter, const BesideOptions& options) {
  Executor executor(1);
  std::map<std::string, const AdapterMatrix*, std::less<>> matrices;
  std::map<std::string, const AdapterScaling*, std::less<>> scalings;
  std::map<std::string, Tensor> weights;
  Extension list(base.graph);
  for (const AdapterMatrix& matrix : adapter.matrices) {
    CHECK(matrices.emplace(matrix.weight, &matrix).second);
    const AddedNames names(matrix.weight, options.tag);
    weights.emplace(names.a, matrix.a);
    weights.emplace(names.b, matrix.b);
    list.add_weight(names.a, matrix.a.shape());
    list.add_weight(names.b, matrix.b.shape());
    if (!matrix.is_dora()) continue;
    weights.emplace(names.factor, dora_factors(executor, base.weights.at(matrix.weight), matrix));
    list.add_weight(names.factor, matrix.magnitude.shape());
  }
  for (const AdapterScaling& scaling : adapter.scalings) {
    CHECK(!matrices.contains(scaling.weight) && scalings.emplace(scaling.weight, &scaling).second);
    const AddedNames names(scaling.weight, options.tag);
    weights.emplace(names.ia3, scaling.factors);
    list.add_weight(names.ia3, scaling.factors.shape());
  }
  for (const LayerCall& call : base.graph.calls) {
    const auto matrix = matrices.find(call.weight);
    const auto scaling = scalings.find(call.weight);
    CHECK((matrix == matrices.end() && scaling == scalings.end()) || std::holds_alternative<LinearCall>(call.kind));
    if (matrix != matrices.end()) {
      add_adapted(call, *matrix->second, options, list);
    } else if (scaling != scalings.end()) {
      add_scaled(call, *scaling->second, options, list);
    } else {
      list.add(call);
    }
  }
  return changed(base, list.finish(), std::move(weights));
}

Adapter sum_of(const Adapter& first, const Adapter& second) {
  CHECK(first.matrices.size() == second.matrices.size());
  std::map<std::pair<const std::byte*, const std::byte*>, Tensor> sums_of_a;  // by what they are the sum of
  Adapter sum;
  for (size_t i = 0; i < first.matrices.size(); ++i) {
    const AdapterMatrix& one = first.matrices[i];
    const AdapterMatrix& two = second.matrices[i];
    CHECK(one.weight == two.weight && !one.is_dora() && !two.is_dora());
    const int64_t rows = one.b.shape()[0], columns = one.a.shape()[1];
    const int64_t rank_one = one.a.shape()[0], rank_two = two.a.shape()[0], rank = rank_one + rank_two;
    const auto [a, is_new] = sums_of_a.try_emplace({one.a.data(), two.a.data()});
    if (is_new) {
      a->second = Tensor::f32({rank, columns});
      std::copy_n(one.a.floats(), rank_one * columns, a->second.mutable_floats());
      std::copy_n(two.a.floats(), rank_two * columns, a->second.mutable_floats() + rank_one * columns);
    }
    AdapterMatrix& matrix = sum.matrices.emplace_back();
    matrix = {one.weight, a->second, Tensor::f32({rows, rank}), one.scale};
    for (int64_t row = 0; row < rows; ++row) {
      float* values = matrix.b.mutable_floats() + row * rank;
      std::copy_n(one.b.floats() + row * rank_one, rank_one, values);
      for (int64_t r = 0; r < rank_two; ++r) {
        values[rank_one + r] = two.b.floats()[row * rank_two + r] * (two.scale / one.scale);
      }
    }
  }
  return sum;
}

std::shared_ptr<const Model> merge_adapter(Executor& executor, const Model& base, const Adapter& adapter) {
  std::map<std::string, Tensor> weights;
  for_each_merged(executor, base, adapter, [&](const std::string& name, const Tensor& changed) {
    weights.emplace(name, in_type_of(base.weights.at(name), name, changed));
  });
  return with_weights(base, std::move(weights));
}

MergedWeights merged_weights(Executor& executor, const Model& base, const Adapter& adapter) {
  MergedWeights result;
  double squares = 0, change_squares = 0;
  for_each_merged(executor, base, adapter, [&](const std::string& name, const Tensor& changed) {
    const Tensor before = decoded(base.weights.at(name));
    for (int64_t i = 0; i < changed.shape().element_count(); ++i) {
      const double value = before.floats()[i];
      const double change = static_cast<double>(changed.floats()[i]) - value;
      squares += value * value;
      change_squares += change * change;
    }
    result.weights.emplace(name, changed);
  });
  result.change = squares == 0 ? 0 : std::sqrt(change_squares / squares);
  return result;
}

}  // namespace pelton
