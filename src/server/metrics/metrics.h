// What a server has done, as Prometheus reads it: names and meanings of vLLM's metrics (its V1 engine), so that
// dashboards and the Gateway API Inference Extension's endpoint picker work unchanged. All safe from any thread.
//
//   auto metrics = Metrics({.model_name = "demo"});
//   auto meter = AnswerMeter(metrics, {.received = request.received, .prompt_token_count = 90});
//   meter.add_tokens(1); … meter.finish(summary);
//   print(metrics.text(engine.statistics()));
//
// A server of several models has one for each, all on one page: labels tell them apart.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/adapter_set.h"
#include "engine/request.h"
#include "engine/service_level.h"
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
    std::optional<ServiceLevel> service_level = {};
    std::optional<double> price_per_hour = {};  // of the machine, in anybody's currency
    std::filesystem::path root = "/";           // of the files that tell the energy taken (base/energy_meter.h)
    std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
  };
  explicit Metrics(const Options& options);
  // On the page of `other`, which has what is the process's.
  Metrics(const Options& options, const Metrics& other);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // What is a state of the engine and not a sum of ours.
  void set(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters = {});
  // The engine is gone: its last state, and what a new one counts comes on top.
  void set_gone(const EngineStatistics& last);
  // The whole page in the text exposition format 0.0.4.
  std::string text();
  // set() and text().
  std::string text(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters = {});
  // The last byte of an answer was taken so long after it was there.
  void observe_delivery(const std::string& request_id, Duration duration);

 private:
  friend class AnswerMeter;
  struct Page;
  struct Series;
  const std::shared_ptr<Series> series_;  // meters may outlive this: the engine lets go of a request when it likes
};

// Follows one answer. One thread at a time. An answer that was neither finished nor failed counts as aborted.
class AnswerMeter {
 public:
  struct Options {
    std::string request_id = {};     // for the log
    TimePoint received{};            // when the whole HTTP request was there, from where all latencies count
    int64_t prompt_token_count = 0;  // 0: counted with another answer
    int64_t answer_count = 1;        // to its prompt: n
    std::optional<int64_t> max_tokens = {};
    Priority priority = Priority::kNormal;
  };
  AnswerMeter(Metrics& metrics, Options options);
  ~AnswerMeter();
  AnswerMeter(const AnswerMeter&) = delete;
  AnswerMeter& operator=(const AnswerMeter&) = delete;

  void add_tokens(int64_t count);
  void finish(const GenerationSummary& summary);
  void fail(ErrorCode code);

 private:
  void end(const char* reason);
  void judge(const GenerationSummary& summary);

  std::shared_ptr<Metrics::Series> series_;
  Options options_;
  double first_token_s_ = 0;
  std::optional<TimePoint> last_token_;
  bool has_ended_ = false;
};

}  // namespace pelton
