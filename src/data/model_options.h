// What steps that ask a model are told alike.
#pragma once

#include <string>

#include "data/step_options.h"
#include "ops/linear.h"

namespace pelton::data {

// `model`: a model's file, folder or name. Error kInvalidArgument: it is missing.
std::string model_option(StepOptions& options);
// `activations`: int8, or f32, which is exact and slower.
ActivationType activations_option(StepOptions& options);

}  // namespace pelton::data
