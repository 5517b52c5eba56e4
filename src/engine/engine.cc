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
#include "engine/model_runner.h"
#include "engine/step_loop.h"

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
        seed_(options.seed != 0 ? options.seed : seed_from_system()) {
    validate(options_);
    if (bundle_->tokenizer == nullptr) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} has no tokenizer, so it cannot generate text", bundle_->name));
    }
    std::promise<RunnerLimits> started;
    std::future<RunnerLimits> limits = started.get_future();
    thread_ = std::thread(&Impl::run, this, std::move(make_runner), std::move(started));
    try {
      limits_ = limits.get();
    } catch (...) {
      thread_.join();
      throw;
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  RequestId submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
    CHECK(sink != nullptr);
    pelton::validate(request.sampling);
    validate_prompt(request.prompt);
    const SamplingParameters& sampling = request.sampling;
    validate_tokens(sampling, limits_.vocabulary_size, bundle_->end_tokens);
    Submission submission;
    submission.answer_token_count_max = answer_token_count_max(request);
    submission.end_tokens = ending_tokens(sampling, bundle_->end_tokens);
    if (sampling.dry.multiplier > 0) {
      submission.dry_breakers = tokens_with_any(*bundle_->tokenizer, sampling.dry.breakers);
    }
    submission.request = std::move(request);
    submission.sink = std::move(sink);
    submission.submitted = clock_->now();
    RequestId id;
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) throw Error(ErrorCode::kUnavailable, "the engine is stopping");
      if (statistics_.waiting_count + static_cast<int64_t>(submissions_.size()) >= options_.queue_length_max) {
        throw Error(ErrorCode::kResourceExhausted,
                    fmt::format("{} requests are waiting already; try again later", options_.queue_length_max));
      }
      id = RequestId{++id_count_};
      submission.id = id;
      submission.seed = submission.request.sampling.seed.value_or(Rng(seed_ ^ id_count_).next());
      submissions_.push_back(std::move(submission));
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

  EngineStatistics statistics() const {
    const std::lock_guard lock(mutex_);
    EngineStatistics statistics = statistics_;
    statistics.waiting_count += static_cast<int64_t>(submissions_.size());
    return statistics;
  }

 private:
  void validate_prompt(const std::vector<TokenId>& prompt) const {
    if (prompt.empty()) throw Error(ErrorCode::kInvalidArgument, "the prompt is empty", "prompt");
    for (const TokenId token : prompt) {
      if (index_of(token) < 0 || index_of(token) >= limits_.vocabulary_size) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("token {} of the prompt is outside of the vocabulary of {} tokens", index_of(token),
                                limits_.vocabulary_size),
                    "prompt");
      }
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
    std::unique_ptr<StepLoop> loop;
    try {
      runner = make_runner();
      const RunnerLimits limits = runner->limits();
      loop = std::make_unique<StepLoop>(StepLoop::Environment{
          .runner = *runner,
          .tokenizer = bundle_->tokenizer,
          .scheduling = {.page_count = limits.page_count,
                         .local = limits.local_pages,
                         .page_token_count = limits.page_token_count,
                         .step_token_count_max = options_.step_token_count_max,
                         .sequence_count_max = std::min(options_.sequence_count_max, options_.step_token_count_max)},
          .clock = *clock_,
          .on_release = [this](const StepLoop& at_work) { publish(at_work); }});
      publish(*loop);
      started.set_value(limits);
    } catch (...) {
      started.set_exception(std::current_exception());
      return;
    }
    while (take_inbox(*loop)) {
      loop->step();
      publish(*loop);
    }
    loop->fail_all(Error(ErrorCode::kUnavailable, "the engine is stopping"));
  }

  // Hands new requests and cancellations to the loop; waits where there is nothing to do. False: the engine stops.
  bool take_inbox(StepLoop& loop) {
    bool is_stopping;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock,
                 [&] { return is_stopping_ || !submissions_.empty() || !cancellations_.empty() || !loop.is_idle(); });
      is_stopping = is_stopping_;
      taken_submissions_.swap(submissions_);
      taken_cancellations_.swap(cancellations_);
      // Until the next publish: submit counts on it.
      statistics_.waiting_count += static_cast<int64_t>(taken_submissions_.size());
    }
    for (Submission& submission : taken_submissions_) loop.add(std::move(submission));
    for (const RequestId id : taken_cancellations_) loop.cancel(id);
    taken_submissions_.clear();
    taken_cancellations_.clear();
    return !is_stopping;
  }

  void publish(const StepLoop& loop) {
    const std::lock_guard lock(mutex_);
    statistics_ = loop.statistics();
  }

  const std::shared_ptr<const ModelBundle> bundle_;
  const EngineOptions options_;
  const std::shared_ptr<const Clock> clock_;
  const uint64_t seed_;
  RunnerLimits limits_;  // written before the constructor ends

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Submission> submissions_;
  std::vector<RequestId> cancellations_;
  EngineStatistics statistics_;
  uint64_t id_count_ = 0;
  bool is_stopping_ = false;

  // Of the engine's thread only.
  std::vector<Submission> taken_submissions_;
  std::vector<RequestId> taken_cancellations_;
  std::thread thread_;
};

Engine::Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options)
    : Engine(bundle, options, [&bundle, &options] { return make_model_runner(bundle->model, options); }) {}

Engine::Engine(std::shared_ptr<const ModelBundle> bundle, const EngineOptions& options, RunnerFactory make_runner,
               std::shared_ptr<const Clock> clock)
    : impl_(std::make_unique<Impl>(std::move(bundle), options, std::move(make_runner), std::move(clock))) {}

Engine::~Engine() = default;

RequestId Engine::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  return impl_->submit(std::move(request), std::move(sink));
}

void Engine::cancel(RequestId id) { impl_->cancel(id); }
const ModelBundle& Engine::bundle() const { return impl_->bundle(); }
const EngineOptions& Engine::options() const { return impl_->options(); }
int64_t Engine::context_length() const { return impl_->context_length(); }
EngineStatistics Engine::statistics() const { return impl_->statistics(); }

}  // namespace pelton
