#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "base/signal_block.h"
#include "engine/embedding_loop.h"
#include "engine/model_runner.h"
#include "engine/step_loop.h"
#include "model/model.h"

namespace pelton {
namespace {

void validate(const EngineOptions& options) {
  const auto expect_positive = [](int64_t value, const char* name) {
    if (value >= 1) return;
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} must be at least 1, got {}", name, value), name);
  };
  expect_positive(options.step_token_count_max, "step_token_count_max");
  expect_positive(options.sequence_count_max, "sequence_count_max");
  expect_positive(options.queue_length_max, "queue_length_max");
}

// Of a step, until the first few have been measured: a small model on few cores.
constexpr StepTimes kFirstGuess{.fixed_ms = 5, .decode_row_ms = 1, .prompt_row_ms = 0.5};

uint64_t seed_from_system() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

}  // namespace

class Engine::Impl {
 public:
  Impl(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options, RunnerFactory make_runner,
       std::shared_ptr<const Clock> clock)
      : bundle_(std::move(bundle)),
        options_(options),
        clock_(std::move(clock)),
        seed_(options.seed != 0 ? options.seed : seed_from_system()),
        adapters_(bundle_->model, options.activations, options.adapter_count_max) {
    validate(options_);
    if (bundle_->tokenizer == nullptr) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} has no tokenizer, so it cannot generate text", bundle_->name));
    }
    std::promise<RunnerLimits> started;
    std::future<RunnerLimits> limits = started.get_future();
    {
      const SignalBlock block;
      thread_ = std::thread(&Impl::run, this, std::move(make_runner), std::move(started));
    }
    try {
      limits_ = limits.get();
    } catch (...) {
      thread_.join();
      throw;
    }
  }

  GrammarCompiler& grammars() { return *grammars_; }
  AdapterSet& adapters() { return adapters_; }

  ~Impl() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(is_stopping_, true)) return;
    }
    wake_.notify_one();
    thread_.join();
  }

  std::vector<RequestId> submit(GenerationRequest request, std::vector<std::shared_ptr<GenerationSink>> sinks) {
    CHECK(std::find(sinks.begin(), sinks.end(), nullptr) == sinks.end());
    if (!can_generate()) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{} gives {} and generates no text", bundle_->name,
                      can_classify() ? "scores (`pelton classify`)" : "embeddings (/v1/embeddings, `pelton embed`)"),
          "model");
    }
    pelton::validate(request.sampling);
    validate_prompt(request.prompt);
    validate_choice_count(sinks.size());
    const SamplingParameters& sampling = request.sampling;
    pelton::validate_tokens(sampling, limits_.vocabulary_size, bundle_->end_tokens);
    validate_grammar(request);
    validate_beams(request, sinks.size());
    validate_beam_room(request);
    Submission submission;
    submission.adapter = adapter_of(request);
    submission.answer_token_count_max = answer_token_count_max(request);
    submission.end_tokens = ending_tokens(sampling, bundle_->end_tokens);
    if (sampling.dry.multiplier > 0) {
      submission.dry_breakers = tokens_with_any(*bundle_->tokenizer, sampling.dry.breakers);
    }
    submission.request = std::move(request);
    submission.submitted = clock_->now();
    std::vector<RequestId> ids(sinks.size());
    submission.sinks = std::move(sinks);
    {
      const std::lock_guard lock(mutex_);
      check_queue();
      for (RequestId& id : ids) id = RequestId{++id_count_};
      submission.id = ids.front();
      submission.seed =
          submission.request.sampling.seed.value_or(Rng(seed_ ^ static_cast<uint64_t>(submission.id)).next());
      submissions_.push_back(std::move(submission));
    }
    wake_.notify_one();
    return ids;
  }

  RequestId submit(EmbeddingRequest request, std::shared_ptr<EmbeddingSink> sink) {
    CHECK(sink != nullptr);
    validate_embedding(request);
    return submit_valid(std::move(request), std::move(sink));
  }

  RequestId submit(ClassificationRequest request, std::shared_ptr<EmbeddingSink> sink) {
    CHECK(sink != nullptr);
    if (!can_classify()) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} is no classifier: it gives no scores, which a reranker does", bundle_->name),
                  "model");
    }
    // A classifier reads the row that has seen all others, and knows two kinds of text or one.
    const Pooling pooling = bundle_->model->spec.is_encoder ? Pooling::kCls : Pooling::kLastToken;
    EmbeddingRequest rows{.inputs = {}, .pooling = pooling, .normalizes = false};
    const bool has_types = bundle_->model->spec.token_type_count > 1;
    for (TokenPair& input : request.inputs) {
      rows.inputs.push_back(std::move(input.tokens));
      if (has_types) rows.token_types.push_back(std::move(input.types));
    }
    validate_inputs(rows.inputs);
    return submit_valid(std::move(rows), std::move(sink));
  }

  RequestId submit_valid(EmbeddingRequest request, std::shared_ptr<EmbeddingSink> sink) {
    RequestId id;
    {
      const std::lock_guard lock(mutex_);
      check_queue();
      id = RequestId{++id_count_};
      embedding_submissions_.push_back({id, std::move(request), std::move(sink)});
    }
    wake_.notify_one();
    return id;
  }

  void cancel(RequestId id) {
    {
      const std::lock_guard lock(mutex_);
      cancellations_.push_back(id);
    }
    wake_.notify_one();
  }

  const ModelBundle& bundle() const { return *bundle_; }
  const EngineOptions& options() const { return options_; }
  int64_t context_length() const { return limits_.context_length; }
  int64_t page_token_count() const { return limits_.page_token_count; }
  bool can_generate() const { return limits_.can_generate(); }
  bool can_classify() const { return bundle_->model != nullptr && bundle_->model->spec.label_count > 0; }
  int64_t embedding_width() const { return limits_.embedding.width; }
  // What the model's makers recommend, unless somebody asked for a context.
  int64_t embedding_token_count_max() const {
    const int64_t longest = limits_.embedding.token_count_max;
    return options_.context_length ? longest : std::min(longest, bundle_->embedding.token_count_max.value_or(longest));
  }

  EngineStatistics statistics() const {
    const std::lock_guard lock(mutex_);
    EngineStatistics statistics = statistics_;
    statistics.waiting_count += inbox_count();
    return statistics;
  }

 private:
  // With mutex_.
  int64_t inbox_count() const { return static_cast<int64_t>(submissions_.size() + embedding_submissions_.size()); }
  void check_queue() const {
    if (is_stopping_) throw Error(ErrorCode::kUnavailable, "the engine is stopping");
    if (statistics_.waiting_count + inbox_count() >= options_.queue_length_max) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("{} requests are waiting already; try again later", options_.queue_length_max));
    }
  }

  AdapterUse adapter_of(const GenerationRequest& request) const {
    if (request.adapter.empty()) return {};
    std::shared_ptr<const ServedAdapter> adapter = adapters_.find(request.adapter);
    if (adapter == nullptr) {
      throw Error(ErrorCode::kNotFound, fmt::format("no adapter \"{}\" is loaded", request.adapter), "model");
    }
    return AdapterUse(std::move(adapter));
  }

  static void validate_choice_count(size_t count) {
    if (count >= 1 && count <= kChoiceCountMax) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("n must be between 1 and {} answers to one prompt, got {}", kChoiceCountMax, count), "n");
  }

  void validate_beam_room(const GenerationRequest& request) const {
    const int64_t room = std::min(options_.sequence_count_max, options_.step_token_count_max);
    if (!request.beams || request.beams->width <= room) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("num_beams must be at most {}, as many sequences as are computed at once, got {}", room,
                            request.beams->width),
                "num_beams");
  }

  void validate_prompt(const std::vector<TokenId>& prompt) const {
    if (prompt.empty()) throw Error(ErrorCode::kInvalidArgument, "the prompt is empty", "prompt");
    validate_tokens(prompt, "prompt");
  }

  void validate_tokens(const std::vector<TokenId>& tokens, const std::string& what) const {
    for (const TokenId token : tokens) {
      if (index_of(token) < 0 || index_of(token) >= limits_.vocabulary_size) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("token {} of the {} is outside of the vocabulary of {} tokens", index_of(token), what,
                                limits_.vocabulary_size),
                    what);
      }
    }
  }

  void validate_embedding(const EmbeddingRequest& request) const {
    const int64_t width = limits_.embedding.width;
    if (width == 0 || can_classify()) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{} gives scores, not embeddings", bundle_->name), "model");
    }
    if (request.dimensions && (*request.dimensions < 1 || *request.dimensions > width)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{} dimensions; this model's embeddings have {}", *request.dimensions, width),
                  "dimensions");
    }
    validate_inputs(request.inputs);
  }

  void validate_inputs(const std::vector<std::vector<TokenId>>& inputs) const {
    if (inputs.empty()) throw Error(ErrorCode::kInvalidArgument, "there is no input", "input");
    const auto token_count_max = static_cast<size_t>(embedding_token_count_max());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::vector<TokenId>& tokens = inputs[i];
      if (tokens.empty()) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("input {} has no tokens", i), "input");
      }
      if (tokens.size() > token_count_max) {
        throw Error(ErrorCode::kContextTooLong,
                    fmt::format("input {} has {} tokens, and this model takes {}; shorten it, or cut it into parts", i,
                                tokens.size(), token_count_max),
                    "input");
      }
      validate_tokens(tokens, "input");
    }
  }

  int64_t answer_token_count_max(const GenerationRequest& request) const {
    const auto prompt_count = static_cast<int64_t>(request.prompt.size());
    const int64_t room = limits_.context_length - prompt_count;
    if (room < 1) {
      throw Error(
          ErrorCode::kContextTooLong,
          fmt::format("the prompt has {} tokens, which leaves no room for an answer in this model's context of {}; "
                      "shorten the prompt",
                      prompt_count, limits_.context_length),
          "prompt");
    }
    const int64_t wanted = request.sampling.max_tokens.value_or(room);
    if (wanted > room) {
      throw Error(
          ErrorCode::kContextTooLong,
          fmt::format("{} tokens of prompt and max_tokens {} are more than this model's context of {}; shorten the "
                      "prompt or ask for at most {} tokens",
                      prompt_count, wanted, limits_.context_length, room),
          "max_tokens");
    }
    return wanted;
  }

  // The engine's thread. The runner lives and dies on it.
  void run(const RunnerFactory& make_runner, std::promise<RunnerLimits> started) {
    std::unique_ptr<StepRunner> runner;
    Loops loops;
    try {
      runner = make_runner();
      const RunnerLimits limits = runner->limits();
      grammars_ = std::make_shared<GrammarCompiler>(bundle_->tokenizer, limits.vocabulary_size, bundle_->end_tokens);
      make_loops(*runner, limits, loops);
      publish(loops);
      started.set_value(limits);
    } catch (...) {
      started.set_exception(std::current_exception());
      return;
    }
    // By turns, so that neither kind of request waits for more than a step of the other.
    while (take_inbox(loops)) {
      if (loops.answers != nullptr) loops.answers->step();
      if (loops.embeddings != nullptr) loops.embeddings->step();
      publish(loops);
    }
    const Error error(ErrorCode::kUnavailable, "the engine is stopping");
    if (loops.answers != nullptr) loops.answers->fail_all(error);
    if (loops.embeddings != nullptr) loops.embeddings->fail_all(error);
  }

  struct Loops {
    std::unique_ptr<StepLoop> answers;          // null: an encoder or a classifier
    std::unique_ptr<EmbeddingLoop> embeddings;  // null: a runner that gives none

    bool is_idle() const { return (answers == nullptr || answers->is_idle()) && has_no_texts(); }
    bool has_no_texts() const { return embeddings == nullptr || embeddings->is_idle(); }
    // Until when there is nothing to do, although requests wait for company.
    std::optional<TimePoint> wake() const {
      return answers != nullptr && has_no_texts() ? answers->wake() : std::nullopt;
    }
  };

  void make_loops(StepRunner& runner, const RunnerLimits& limits, Loops& loops) {
    if (limits.can_generate()) {
      loops.answers = std::make_unique<StepLoop>(StepLoop::Environment{
          .runner = runner,
          .tokenizer = bundle_->tokenizer,
          .scheduling = {.page_count = limits.page_count,
                         .local = limits.local_pages,
                         .page_token_count = limits.page_token_count,
                         .step_token_count_max = options_.step_token_count_max,
                         .sequence_count_max = std::min(options_.sequence_count_max, options_.step_token_count_max),
                         .growth_page_count = EngineOptions::kGrowthPageCount,
                         .batching = options_.batching,
                         .batch_window = options_.batch_window,
                         .service_level = options_.service_level,
                         .step_times = kFirstGuess},
          .clock = *clock_,
          .caches_prefixes = options_.caches_prefixes,
          .prefix_key = {seed_from_system(), seed_from_system()},
          .on_release = [this, &loops](const StepLoop&) { publish(loops); },
          .grammars = grammars_});
    }
    if (limits.embedding.width > 0) {
      loops.embeddings = std::make_unique<EmbeddingLoop>(
          EmbeddingLoop::Environment{.runner = runner,
                                     .step_token_count_max = options_.step_token_count_max,
                                     .sequence_count_max = options_.sequence_count_max,
                                     .on_release = [this, &loops] { publish(loops); }});
    }
  }

  // Hands new requests and cancellations to the loop; waits where there is nothing to do. False: the engine stops.
  bool take_inbox(Loops& loops) {
    bool is_stopping;
    {
      std::unique_lock lock(mutex_);
      const auto has_news = [&] { return is_stopping_ || inbox_count() > 0 || !cancellations_.empty(); };
      if (loops.is_idle()) {
        wake_.wait(lock, has_news);
      } else if (const std::optional<TimePoint> wake = loops.wake()) {
        wake_.wait_for(lock, *wake - clock_->now(), has_news);
      }
      is_stopping = is_stopping_;
      // Until the next publish: submit counts on it.
      statistics_.waiting_count += inbox_count();
      taken_submissions_.swap(submissions_);
      taken_embedding_submissions_.swap(embedding_submissions_);
      taken_cancellations_.swap(cancellations_);
    }
    for (Submission& submission : taken_submissions_) loops.answers->add(std::move(submission));
    for (EmbeddingSubmission& submission : taken_embedding_submissions_) loops.embeddings->add(std::move(submission));
    for (const RequestId id : taken_cancellations_) {
      if (loops.answers != nullptr) loops.answers->cancel(id);
      if (loops.embeddings != nullptr) loops.embeddings->cancel(id);
    }
    taken_submissions_.clear();
    taken_embedding_submissions_.clear();
    taken_cancellations_.clear();
    return !is_stopping;
  }

  void publish(const Loops& loops) {
    const std::lock_guard lock(mutex_);
    statistics_ = loops.answers == nullptr ? EngineStatistics{} : loops.answers->statistics();
    if (loops.embeddings != nullptr) loops.embeddings->add_to(statistics_);
  }

  const std::shared_ptr<const ModelBundle> bundle_;
  const EngineOptions options_;
  const std::shared_ptr<const Clock> clock_;
  const uint64_t seed_;
  RunnerLimits limits_;                        // written before the constructor ends
  std::shared_ptr<GrammarCompiler> grammars_;  // the same
  AdapterSet adapters_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Submission> submissions_;
  std::vector<EmbeddingSubmission> embedding_submissions_;
  std::vector<RequestId> cancellations_;
  EngineStatistics statistics_;
  uint64_t id_count_ = 0;
  bool is_stopping_ = false;

  // Of the engine's thread only.
  std::vector<Submission> taken_submissions_;
  std::vector<EmbeddingSubmission> taken_embedding_submissions_;
  std::vector<RequestId> taken_cancellations_;
  std::thread thread_;
};

Engine::Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options)
    : Engine(bundle, options, [&bundle, &options] { return make_model_runner(bundle->model, options); }) {}

Engine::Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options, RunnerFactory make_runner,
               std::shared_ptr<const Clock> clock)
    : impl_(std::make_unique<Impl>(std::move(bundle), options, std::move(make_runner), std::move(clock))) {}

Engine::~Engine() = default;
void Engine::stop() { impl_->stop(); }

RequestId Engine::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  return impl_->submit(std::move(request), std::vector{std::move(sink)}).front();
}

std::vector<RequestId> Engine::submit(GenerationRequest request, std::vector<std::shared_ptr<GenerationSink>> sinks) {
  return impl_->submit(std::move(request), std::move(sinks));
}

RequestId Engine::submit(EmbeddingRequest request, std::shared_ptr<EmbeddingSink> sink) {
  return impl_->submit(std::move(request), std::move(sink));
}

RequestId Engine::submit(ClassificationRequest request, std::shared_ptr<EmbeddingSink> sink) {
  return impl_->submit(std::move(request), std::move(sink));
}

void Engine::cancel(RequestId id) { impl_->cancel(id); }
void Engine::load_adapter(const std::string& name, const std::filesystem::path& path) {
  impl_->adapters().load(name, path);
}
int64_t Engine::unload_adapter(const std::string& name) { return impl_->adapters().unload(name); }
std::vector<AdapterInfo> Engine::adapters() const { return impl_->adapters().list(); }
GrammarCompiler& Engine::grammars() { return impl_->grammars(); }
const ModelBundle& Engine::bundle() const { return impl_->bundle(); }
const EngineOptions& Engine::options() const { return impl_->options(); }
int64_t Engine::context_length() const { return impl_->context_length(); }
int64_t Engine::page_token_count() const { return impl_->page_token_count(); }
bool Engine::can_generate() const { return impl_->can_generate(); }
bool Engine::can_classify() const { return impl_->can_classify(); }
int64_t Engine::embedding_width() const { return impl_->embedding_width(); }
int64_t Engine::embedding_token_count_max() const { return impl_->embedding_token_count_max(); }
EngineStatistics Engine::statistics() const { return impl_->statistics(); }

}  // namespace pelton
