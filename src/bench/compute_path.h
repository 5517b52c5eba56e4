// How matrices of a model are multiplied: what the limit of its operations is.
#pragma once

#include <string>
#include <string_view>

#include "model/model.h"
#include "ops/linear.h"
#include "tensor/element_type.h"

namespace pelton {

// Activations of this kind meet weights of this type in INT8.
bool multiplies_int8(ElementType weight, ActivationType activations);

// The type of most of a model's multiplications: "int8" or "f32".
std::string_view multiplication_type(const Model& model, ActivationType activations);

}  // namespace pelton
