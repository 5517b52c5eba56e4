#include "model/prepared_adapter.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string>

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
  weights_.reserve(adapter.matrices.size());
  for (const AdapterMatrix& matrix : adapter.matrices) {
    const auto place = places.find(matrix.weight);
    CHECK(place != places.end());
    weights_.push_back(
        {.a = ready(matrix.a),
         .b = ready(scaled(matrix.b, matrix.scale)),
         .factors = matrix.is_dora() ? dora_factors(executor, base.weights.at(matrix.weight), matrix) : Tensor()});
    by_place_[place->second] = &weights_.back();
    rank_max_ = std::max(rank_max_, matrix.a.shape()[0]);
  }
}

}  // namespace pelton
