// Adapters of noise, for tests and benchmarks.
#pragma once

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <string_view>

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

inline Adapter random_adapter(const Model& base, uint64_t seed, const RandomAdapterOptions& options = {}) {
  Rng rng(seed);
  std::set<std::string> linear;
  std::set<std::string> others;
  for (const LayerCall& call : base.graph.calls) {
    (std::holds_alternative<LinearCall>(call.kind) ? linear : others).insert(call.weight);
  }
  const auto random = [&](Shape shape, float size) {
    Tensor tensor = Tensor::f32(shape);
    for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = size * rng.next_symmetric();
    return tensor;
  };
  Adapter adapter;
  for (const WeightSpec& weight : base.graph.weights) {
    if (!linear.contains(weight.name) || others.contains(weight.name)) continue;
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

}  // namespace pelton
