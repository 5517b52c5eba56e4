#include "data/model_options.h"

namespace pelton::data {

std::string model_option(StepOptions& options) {
  std::string model = options.string("model", "");
  if (model.empty()) options.fail("model", "a model's file, folder or name");
  return model;
}

ActivationType activations_option(StepOptions& options) {
  const bool is_exact = options.choice("activations", {"int8", "f32"}) == 1;
  return is_exact ? ActivationType::kF32 : ActivationType::kInt8;
}

}  // namespace pelton::data
