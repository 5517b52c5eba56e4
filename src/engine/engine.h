// Many requests, one model: a thread of its own owns the step loop; everyone else talks to it through this class.
//
// submit → queue → scheduler (pure: which rows in the next step) → Decoder::step → sampler → detokenizer, stop strings
// → sink. All public functions are safe from any thread. Without requests the thread sleeps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/adapter_set.h"
#include "engine/embedding_request.h"
#include "engine/request.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/statistics.h"
#include "model/bundle.h"
#include "ops/linear.h"
#include "tensor/element_type.h"

namespace pelton {

struct EngineOptions {
  // Pages of 16 tokens that admission keeps free for each answer: it goes on for some while, and a machine of many is
  // not left half empty.
  static constexpr int64_t kGrowthPageCount = 4;

  int thread_count = 0;  // 0: one a usable core
  ActivationType activations = ActivationType::kInt8;
  std::optional<ElementType> kv_type;     // absent: kI8 with kInt8 activations, kF32 with kF32
  std::optional<int64_t> context_length;  // absent: the model's. Longer than it: kInvalidArgument
  std::optional<int64_t> kv_bytes_max;    // absent: a quarter of the machine's free memory, at most 64 contexts
  int64_t step_token_count_max = 512;     // rows of a step: prompts are cut into chunks of at most this
  int64_t sequence_count_max = 64;        // sequences computed at once; no more than step_token_count_max are
  int64_t queue_length_max = 1024;        // waiting requests beyond which submit refuses
  uint64_t seed = 0;                      // for requests without one of their own; 0: from the system
  bool caches_prefixes = true;            // prompts that begin like earlier ones are not computed again
  Batching batching = Batching::kContinuous;
  Duration batch_window = SchedulerOptions{}.batch_window;  // of Batching::kDynamic
  std::optional<ServiceLevel> service_level;                // absent: as many tokens as possible
  int64_t adapter_count_max = 256;                          // loaded at once
};

class Engine {
 public:
  // Loads the weights into the machine's layout and starts the thread. `bundle` must have a tokenizer.
  // Errors: kInvalidArgument, kUnsupported (no tokenizer), kResourceExhausted (not even one context fits into
  // kv_bytes_max).
  Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options);
  // With a runner other than the bundle's model (which may be null) and time from `clock`: tests, simulations.
  // `make_runner` is called once, on the engine's thread; what it throws, this throws.
  Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options, RunnerFactory make_runner,
         std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>());
  // stop().
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Ends unfinished requests with kUnavailable, joins the thread and lets go of all sinks: before the last owner goes,
  // where sinks own it too. Not from a sink, nor from two threads at once; a second call does nothing.
  void stop();

  // Errors (nothing is queued then): kInvalidArgument (parameters; empty prompt; token out of range), kContextTooLong
  // (the prompt leaves no room for a token, or less than the max_tokens given; names the lengths), kResourceExhausted
  // (queue full), kUnavailable (stopping), kUnsupported (the model is an encoder, which generates nothing).
  // kNotFound: the adapter is not loaded.
  RequestId submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);
  // Several answers, one for each sink, each with an id: the prompt is computed once, and they share its pages. Errors:
  // as above, and kInvalidArgument (none, or more than kChoiceCountMax). Of a beam search they are the best, best
  // first: no more of them than beams, no more beams than sequence_count_max.
  std::vector<RequestId> submit(GenerationRequest request, std::vector<std::shared_ptr<GenerationSink>> sinks);
  static constexpr size_t kChoiceCountMax = 128;  // OpenAI's
  // Embeddings, between the steps of answers. Errors (nothing is queued then): kUnsupported (the model's result is a
  // score), kInvalidArgument (no input, an empty one, a token out of range, dimensions beyond the width),
  // kContextTooLong, kResourceExhausted, kUnavailable, as above.
  RequestId submit(EmbeddingRequest request, std::shared_ptr<EmbeddingSink> sink);
  // Scores by a classifier, in the same way. Errors: kUnsupported (the model has none), else as of embeddings.
  RequestId submit(ClassificationRequest request, std::shared_ptr<EmbeddingSink> sink);
  // The request's pages are free after the current step; its sink gets on_error(kCancelled). Unknown or finished:
  // nothing.
  void cancel(RequestId id);

  // Adapters that requests name, each for its own rows of a step: engine/adapter_set.h says what happens, and the
  // errors.
  void load_adapter(const std::string& name, const std::filesystem::path& path);
  int64_t unload_adapter(const std::string& name);
  std::vector<AdapterInfo> adapters() const;

  // What requests of this engine may follow.
  GrammarCompiler& grammars();
  const ModelBundle& bundle() const;
  const EngineOptions& options() const;  // as they were given
  int64_t context_length() const;
  int64_t page_token_count() const;  // of the KV cache
  bool can_generate() const;
  bool can_classify() const;  // then it gives no embeddings
  int64_t embedding_width() const;
  int64_t embedding_token_count_max() const;  // of a text to embed, with its special tokens
  EngineStatistics statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
