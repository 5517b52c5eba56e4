// Adapters of noise, for tests and benchmarks.
#pragma once

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "model/adapter.h"
#include "model/model.h"

namespace pelton {

struct RandomAdapterOptions {
  int64_t rank = 4;
  float scale = 2;
  bool is_dora = false;
  float size = 0.1f;                                          // of what it adds, beside the size of what it reads
  std::function<bool(std::string_view weight)> changes = {};  // by canonical name; empty: every matrix that it may
};

inline Tensor random_tensor(Rng& rng, Shape shape, float size) {
  Tensor tensor = Tensor::f32(shape);
  for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = size * rng.next_symmetric();
  return tensor;
}

// Those that adapters may change, in the base's order.
inline std::vector<WeightSpec> adaptable_weights(const Model& base) {
  std::set<std::string> linear;
  std::set<std::string> others;
  for (const LayerCall& call : base.graph.calls) {
    (std::holds_alternative<LinearCall>(call.kind) ? linear : others).insert(call.weight);
  }
  std::vector<WeightSpec> weights;
  for (const WeightSpec& weight : base.graph.weights) {
    if (linear.contains(weight.name) && !others.contains(weight.name)) weights.push_back(weight);
  }
  return weights;
}

inline Adapter random_adapter(const Model& base, uint64_t seed, const RandomAdapterOptions& options = {}) {
  Rng rng(seed);
  const auto random = [&](Shape shape, float size) { return random_tensor(rng, shape, size); };
  Adapter adapter;
  for (const WeightSpec& weight : adaptable_weights(base)) {
    if (options.changes && !options.changes(weight.name)) continue;
    const float columns = static_cast<float>(weight.shape[1]);
    adapter.matrices.push_back({.weight = weight.name,
                                .a = random({options.rank, weight.shape[1]}, 1 / std::sqrt(columns)),
                                .b = random({weight.shape[0], options.rank}, options.size),
                                .scale = options.scale});
    if (!options.is_dora) continue;
    Tensor& magnitude = adapter.matrices.back().magnitude = random({weight.shape[0]}, 0.5f);
    for (int64_t i = 0; i < weight.shape[0]; ++i) magnitude.mutable_floats()[i] += 1;
  }
  return adapter;
}

// IA³: of each matrix the rows or the columns, with factors near 1.
inline Adapter random_ia3(const Model& base, uint64_t seed, float size = 0.5f) {
  Rng rng(seed);
  Adapter adapter;
  for (const WeightSpec& weight : adaptable_weights(base)) {
    const ScaledAxis axis = rng.next_below(2) == 0 ? ScaledAxis::kRows : ScaledAxis::kColumns;
    Tensor factors = random_tensor(rng, {weight.shape[axis == ScaledAxis::kRows ? 0 : 1]}, size);
    for (int64_t i = 0; i < factors.shape()[0]; ++i) factors.mutable_floats()[i] += 1;
    adapter.scalings.push_back({weight.name, axis, factors});
  }
  return adapter;
}

}  // namespace pelton
