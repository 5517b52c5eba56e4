// What a server has done, as Prometheus reads it: names and meanings of vLLM's metrics (its V1 engine), so that
// dashboards and the Gateway API Inference Extension's endpoint picker work unchanged. All safe from any thread.
//
//   auto metrics = Metrics({.model_name = "demo"});
//   auto meter = AnswerMeter(metrics, request.received);
//   meter.add_tokens(1); … meter.finish(summary);
//   print(metrics.text(engine.statistics()));
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/adapter_set.h"
#include "engine/request.h"
#include "engine/statistics.h"

namespace pelton {

class Metrics {
 public:
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

  struct Options {
    std::string model_name;         // the label of every series
    int64_t context_length = 0;     // the largest bucket of token counts
    int64_t page_token_count = 0;   // of vllm:cache_config_info
    int64_t adapter_count_max = 0;  // of vllm:lora_requests_info
    std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
  };
  explicit Metrics(const Options& options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Everything in the text exposition format 0.0.4; the engine gives what is a state and not a sum of ours.
  std::string text(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters = {});

 private:
  friend class AnswerMeter;
  struct Series;
  const std::shared_ptr<Series> series_;  // meters may outlive this: the engine lets go of a request when it likes
};

// Follows one answer. One thread at a time. An answer that was neither finished nor failed counts as aborted.
class AnswerMeter {
 public:
  // `received`: when the whole HTTP request was there, from where all latencies count.
  AnswerMeter(Metrics& metrics, TimePoint received, int64_t prompt_token_count);
  ~AnswerMeter();
  AnswerMeter(const AnswerMeter&) = delete;
  AnswerMeter& operator=(const AnswerMeter&) = delete;

  void add_tokens(int64_t count);
  void finish(const GenerationSummary& summary);
  void fail(ErrorCode code);

 private:
  void end(const char* reason);

  std::shared_ptr<Metrics::Series> series_;
  TimePoint received_;
  int64_t prompt_token_count_;
  std::optional<TimePoint> last_token_;
  bool has_ended_ = false;
};

}  // namespace pelton
