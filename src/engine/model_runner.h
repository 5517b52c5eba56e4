// The real model behind StepRunner.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/engine.h"
#include "engine/runner.h"

namespace pelton {

// Rearranges the weights, so this may take a while. Errors: kInvalidArgument (context longer than the model's, a KV
// type that is neither F32 nor BF16), kResourceExhausted.
std::unique_ptr<StepRunner> make_model_runner(std::shared_ptr<const Model> model, const EngineOptions& options);

// What an engine of `model` holds, in bytes, but for the buffers of a step.
struct EngineMemory {
  int64_t weight_bytes = 0;  // as they lie in the file
  int64_t text_bytes = 0;    // keys and values of a text to embed or to score
  int64_t kv_bytes_min = 0;  // of answers: one context. Less is an error; 0: the model gives no answers
  int64_t kv_bytes_max = 0;  // as many as are of use
};
// Errors: kInvalidArgument, as above.
EngineMemory engine_memory(const Model& model, const EngineOptions& options);

}  // namespace pelton
