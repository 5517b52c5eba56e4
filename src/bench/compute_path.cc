#include "bench/compute_path.h"

#include <algorithm>
#include <map>

namespace pelton {

std::string_view multiplication_type(ElementType weight, ActivationType activations) {
  switch (activations_for(weight, activations)) {
    case ActivationType::kInt8:
      return "int8";
    case ActivationType::kBF16:
      return "bf16";
    case ActivationType::kF32:
      return "f32";
  }
  return "f32";
}

std::string_view multiplication_type(const Model& model, ActivationType activations) {
  std::map<std::string_view, int64_t> counts;
  for (const LayerCall& call : model.graph.calls) {
    if (!std::holds_alternative<LinearCall>(call.kind)) continue;
    const Tensor& weight = model.weights.at(call.weight);
    counts[multiplication_type(weight.type(), activations)] += weight.shape().element_count();
  }
  if (counts.empty()) return "f32";
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

}  // namespace pelton
