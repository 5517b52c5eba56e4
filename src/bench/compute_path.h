// How matrices of a model are multiplied: what the limit of its operations is.
#pragma once

#include <string>
#include <string_view>

#include "model/model.h"
#include "ops/linear.h"
#include "tensor/element_type.h"

namespace pelton {

// In what these activations meet weights of this type: "int8", "bf16" or "f32".
std::string_view multiplication_type(ElementType weight, ActivationType activations);

// That of most of a model's multiplications.
std::string_view multiplication_type(const Model& model, ActivationType activations);

}  // namespace pelton
