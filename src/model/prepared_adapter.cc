#include "model/prepared_adapter.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

uint64_t next_number() {
  static std::atomic<uint64_t> count = 0;
  return ++count;
}

Tensor scaled(const Tensor& matrix, float scale) {
  Tensor product = Tensor::f32(matrix.shape());
  std::transform(matrix.floats(), matrix.floats() + matrix.shape().element_count(), product.mutable_floats(),
                 [&](float value) { return value * scale; });
  return product;
}

Tensor in_bf16(const Tensor& matrix) {
  Tensor rounded(ElementType::kBF16, matrix.shape());
  encode_function(ElementType::kBF16)(matrix.floats(), rounded.mutable_data(), matrix.shape().element_count());
  return rounded;
}

// The bias is scaled with its row, and whoever adds it adds it to all rows of a step: what is missing then. Empty:
// there is no bias.
Tensor added_to_bias(const Model& base, const AdapterScaling& scaling) {
  const std::string name = bias_of(base, scaling.weight);
  if (name.empty()) return {};
  const Tensor bias = base.weights.decoded(name);
  Tensor addend = Tensor::f32(bias.shape());
  for (int64_t i = 0; i < bias.shape()[0]; ++i) {
    addend.mutable_floats()[i] = (scaling.factors.floats()[i] - 1) * bias.floats()[i];
  }
  return addend;
}

}  // namespace

PreparedAdapter::PreparedAdapter(const Model& base, const Adapter& adapter, ActivationType activations)
    : by_place_(base.graph.weights.size()), number_(next_number()) {
  Executor executor(1);
  const auto ready = [&](const Tensor& matrix) {
    LinearWeight weight(executor, activations == ActivationType::kInt8 ? in_bf16(matrix) : matrix, activations);
    size_bytes_ += weight.traffic_bytes();
    return weight;
  };
  std::map<std::string_view, size_t> places;
  for (const WeightSpec& weight : base.graph.weights) places.emplace(weight.name, places.size());
  terms_.reserve(static_cast<size_t>(adapter.changed_count()));
  const auto add = [&](const std::string& weight, AdapterTerm term) {
    const auto place = places.find(weight);
    CHECK(place != places.end());
    by_place_[place->second] = &terms_.emplace_back(std::move(term));
  };
  for (const AdapterMatrix& matrix : adapter.matrices) {
    add(matrix.weight,
        {.a = ready(matrix.a),
         .b = ready(scaled(matrix.b, matrix.scale)),
         .factors = matrix.is_dora() ? dora_factors(executor, base.weights.at(matrix.weight), matrix) : Tensor()});
    rank_max_ = std::max(rank_max_, matrix.a.shape()[0]);
  }
  for (const AdapterScaling& scaling : adapter.scalings) {
    size_bytes_ += scaling.factors.size_bytes();
    if (scaling.axis == ScaledAxis::kColumns) {
      add(scaling.weight, {.input_factors = scaling.factors});
    } else {
      add(scaling.weight, {.factors = scaling.factors, .addend = added_to_bias(base, scaling)});
    }
  }
}

}  // namespace pelton
