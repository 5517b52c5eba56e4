// Many requests, one model: a thread of its own owns the step loop; everyone else talks to it through this class.
//
// submit → queue → scheduler (pure: which rows in the next step) → Decoder::step → sampler → detokenizer, stop strings → sink.
// All public functions are safe from any thread. Without requests the thread sleeps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/request.h"
#include "model/bundle.h"
#include "ops/linear.h"
#include "tensor/element_type.h"

namespace pelton {

struct EngineOptions {
  int thread_count = 0;                                      // 0: one a usable core
  ActivationType activations = ActivationType::kInt8;
  std::optional<ElementType> kv_type;                        // absent: kBF16 with kInt8 activations, kF32 with kF32
  std::optional<int64_t> context_length;                     // absent: the model's. Longer than it: kInvalidArgument
  std::optional<int64_t> kv_bytes_max;                       // absent: a quarter of the machine's free memory, at most 64 contexts
  int64_t step_token_count_max = 512;                        // rows of a step: prompts are cut into chunks of at most this
  int64_t sequence_count_max = 64;                           // sequences computed at once
  int64_t queue_length_max = 1024;                           // waiting requests beyond which submit refuses
  uint64_t seed = 0;                                         // for requests without one of their own; 0: from the system
};

enum class RequestId : uint64_t {};

struct EngineStatistics {
  int64_t running_count = 0;
  int64_t waiting_count = 0;
  int64_t pages_used = 0;
  int64_t pages_total = 0;
  int64_t step_count = 0;
  int64_t step_row_count = 0;  // rows of all steps: row_count / step_count is the mean batch
  int64_t preemption_count = 0;
};

class Engine {
 public:
  // Loads the weights into the machine's layout and starts the thread. `bundle` must have a tokenizer.
  // Errors: kInvalidArgument, kResourceExhausted (not even one context fits into kv_bytes_max).
  Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options);
  // Ends unfinished requests with kUnavailable and joins the thread.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Errors (nothing is queued then): kInvalidArgument (parameters; empty prompt; token out of range), kContextTooLong
  // (says both lengths), kResourceExhausted (queue full), kUnavailable (stopping).
  RequestId submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);
  // The request's pages are free after the current step; its sink gets on_error(kCancelled). Unknown or finished: nothing.
  void cancel(RequestId id);

  const ModelBundle& bundle() const;
  int64_t context_length() const;
  EngineStatistics statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
