#include "bench/compute_path.h"

namespace pelton {

bool multiplies_int8(ElementType weight, ActivationType activations) {
  return activations_for(weight, activations) == ActivationType::kInt8;
}

std::string_view multiplication_type(const Model& model, ActivationType activations) {
  int64_t int8_count = 0;
  int64_t other_count = 0;
  for (const LayerCall& call : model.graph.calls) {
    if (!std::holds_alternative<LinearCall>(call.kind)) continue;
    const Tensor& weight = model.weights.at(call.weight);
    (multiplies_int8(weight.type(), activations) ? int8_count : other_count) += weight.shape().element_count();
  }
  return int8_count > other_count ? "int8" : "f32";
}

}  // namespace pelton
