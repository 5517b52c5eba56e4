// The real model behind StepRunner.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/runner.h"

namespace pelton {

// Rearranges the weights, so this may take a while. Errors: kInvalidArgument (context longer than the model's, a KV
// type that is neither F32 nor BF16), kResourceExhausted.
std::unique_ptr<StepRunner> make_model_runner(std::shared_ptr<const Model> model, const EngineOptions& options);

}  // namespace pelton
