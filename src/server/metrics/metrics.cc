#include "server/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/version.h"
#include "server/metrics/process_use.h"

namespace pelton {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// vLLM's, and below 10 ms some more: a small model on a fast machine makes a token in 5.
const Buckets kFirstTokenSeconds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                    1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const Buckets kTokenSeconds = {0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
                               0.4,   0.5,    0.75,  1,      2.5,  5,     7.5,  10,    20,  40,   80};
const Buckets kRequestSeconds = {0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1,   1.5, 2,   2.5, 5,    10,
                                 15,   20,   30,  40,  50,  60,  120, 240, 480, 960, 1920, 7680};

// 1, 2, 5, 10, 20, … up to `last`.
Buckets token_count_buckets(int64_t last) {
  Buckets buckets;
  for (int64_t power = 1; power <= last; power *= 10) {
    for (const int64_t step : {1, 2, 5}) {
      if (power * step <= last) buckets.push_back(static_cast<double>(power * step));
    }
  }
  return buckets;
}

constexpr const char* kReasons[] = {"stop", "length", "abort", "error"};

// A bounded set: nothing of a client's may become a label.
const char* reason_of(ErrorCode code) { return code == ErrorCode::kCancelled ? "abort" : "error"; }

}  // namespace

struct Metrics::Series {
  explicit Series(const Options& options)
      : clock(options.clock),
        labels{{"engine", "0"}, {"model_name", options.model_name}},
        token_buckets(token_count_buckets(std::max<int64_t>(options.context_length, 1))),
        page_token_count(options.page_token_count),
        adapter_count_max(options.adapter_count_max) {
    for (const char* reason : kReasons) {
      prometheus::Labels with_reason = labels;
      with_reason["finished_reason"] = reason;
      endings.emplace_back(
          reason,
          &family<Counter>("vllm:request_success_total", "Answers that have ended, by why they did.").Add(with_reason));
    }
    family<Gauge>("pelton:build_info", "1; the labels say which program answers.")
        .Add({{"version", std::string(kVersion)}})
        .Set(1);
    family<Gauge>("process_start_time_seconds", "When the server began, since 1970.").Add({}).SetToCurrentTime();
  }

  template <typename Metric>
  prometheus::Family<Metric>& family(const char* name, const char* help) {
    if constexpr (std::is_same_v<Metric, Counter>) {
      return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    } else if constexpr (std::is_same_v<Metric, Gauge>) {
      return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    } else {
      return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    }
  }
  void set_adapters(const std::vector<AdapterInfo>& infos);  // with adapters_mutex
  Counter& counter(const char* name, const char* help) { return family<Counter>(name, help).Add(labels); }
  Gauge& gauge(const char* name, const char* help) { return family<Gauge>(name, help).Add(labels); }
  Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return family<Histogram>(name, help).Add(labels, buckets);
  }

  const std::shared_ptr<const Clock> clock;
  const prometheus::Labels labels;
  const Buckets token_buckets;
  const int64_t page_token_count;
  const int64_t adapter_count_max;
  std::mutex adapters_mutex;
  Gauge* adapters = nullptr;  // the one series of vllm:lora_requests_info, which changes its labels; none yet
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::vector<std::pair<const char*, Counter*>> endings;

  // The engine's state, set when somebody asks.
  Gauge& running = gauge("vllm:num_requests_running", "Requests that are being computed.");
  Gauge& waiting = gauge("vllm:num_requests_waiting", "Requests that wait to be computed.");
  Gauge& kv_use = gauge("vllm:kv_cache_usage_perc", "Share of the KV cache's pages in use; 1 is all.");
  Gauge& mean_batch = gauge("pelton:step_rows_mean", "Rows (tokens) of a step, on average since the start.");
  Counter& preemptions = counter("vllm:num_preemptions_total", "Requests that gave their pages back for others.");
  Counter& steps = counter("pelton:steps_total", "Steps of the engine.");

  Counter& prefix_queries =
      counter("vllm:prefix_cache_queries_total", "Tokens of prompts that were looked for in the prefix cache.");
  Counter& prefix_hits = counter("vllm:prefix_cache_hits_total", "Tokens of prompts that were found there.");

  Counter& prompt_tokens = counter("vllm:prompt_tokens_total", "Tokens of prompts that were computed.");
  Counter& generated_tokens = counter("vllm:generation_tokens_total", "Tokens that were generated.");
  Histogram& first_token =
      histogram("vllm:time_to_first_token_seconds", "From a request's arrival to its first token.", kFirstTokenSeconds);
  Histogram& inter_token = histogram("vllm:inter_token_latency_seconds", "From one token to the next.", kTokenSeconds);
  Histogram& per_output_token = histogram("vllm:request_time_per_output_token_seconds",
                                          "Mean time from token to token, of each answer.", kTokenSeconds);
  Histogram& end_to_end =
      histogram("vllm:e2e_request_latency_seconds", "From a request's arrival to its end.", kRequestSeconds);
  Histogram& queue =
      histogram("vllm:request_queue_time_seconds", "From a request's submission to its first step.", kRequestSeconds);
  Histogram& prefill =
      histogram("vllm:request_prefill_time_seconds", "From the first step to the first token.", kRequestSeconds);
  Histogram& decode =
      histogram("vllm:request_decode_time_seconds", "From the first token to the last.", kRequestSeconds);
  Histogram& inference =
      histogram("vllm:request_inference_time_seconds", "From the first step to the last token.", kRequestSeconds);
  Histogram& prompt_lengths = histogram("vllm:request_prompt_tokens", "Tokens of a request's prompt.", token_buckets);
  Histogram& answer_lengths =
      histogram("vllm:request_generation_tokens", "Tokens of a request's answer.", token_buckets);
  Histogram& computed_lengths = histogram("vllm:request_prefill_kv_computed_tokens",
                                          "Tokens of a prompt that the prefix cache did not have.", token_buckets);
};

namespace {

// A counter of somebody else's, which only grows.
void raise_to(Counter& counter, double value) {
  const double missing = value - counter.Value();
  if (missing > 0) counter.Increment(missing);
}

// By the names of Prometheus's own clients, which dashboards of machines ask for.
void set_process_use(prometheus::Registry& registry) {
  const ProcessUse use = process_use();
  const auto set = [&](const char* name, const char* help, double value) {
    prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({}).Set(value);
  };
  set("process_resident_memory_bytes", "Memory that the process holds.", use.resident_bytes);
  set("process_virtual_memory_bytes", "Addresses that the process has.", use.virtual_bytes);
  set("process_open_fds", "File descriptors that are open.", use.open_files);
  set("process_max_fds", "File descriptors that may be open.", use.open_files_max);
  raise_to(prometheus::BuildCounter()
               .Name("process_cpu_seconds_total")
               .Help("Time that the process computed, of all threads.")
               .Register(registry)
               .Add({}),
           use.cpu_seconds);
}

}  // namespace

namespace {

// Names of adapters with such requests, as vLLM joins them.
std::string names_with(const std::vector<AdapterInfo>& adapters, int64_t AdapterInfo::*count) {
  std::string names;
  for (const AdapterInfo& adapter : adapters) {
    if (adapter.*count > 0) names += (names.empty() ? "" : ",") + adapter.name;
  }
  return names;
}

}  // namespace

// The Gateway API Inference Extension reads labels and takes the newest by the value, which is a time.
void Metrics::Series::set_adapters(const std::vector<AdapterInfo>& infos) {
  auto& info = family<Gauge>("vllm:lora_requests_info", "When it was, with the adapters of requests as labels.");
  if (adapters != nullptr) info.Remove(adapters);
  prometheus::Labels with_names = labels;
  with_names["max_lora"] = std::to_string(adapter_count_max);
  with_names["running_lora_adapters"] = names_with(infos, &AdapterInfo::running_count);
  with_names["waiting_lora_adapters"] = names_with(infos, &AdapterInfo::waiting_count);
  adapters = &info.Add(with_names);
  adapters->SetToCurrentTime();
}

Metrics::Metrics(const Options& options) : series_(std::make_shared<Series>(options)) {}
Metrics::~Metrics() = default;

std::string Metrics::text(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters) {
  Series& series = *series_;
  const std::lock_guard lock(series.adapters_mutex);  // no reader sees the series while it is replaced
  series.set_adapters(adapters);
  const auto pages_total = static_cast<double>(engine.pages_total);
  series.running.Set(static_cast<double>(engine.running_count));
  series.waiting.Set(static_cast<double>(engine.waiting_count));
  series.kv_use.Set(pages_total > 0 ? static_cast<double>(engine.pages_used) / pages_total : 0);
  series.mean_batch.Set(
      engine.step_count > 0 ? static_cast<double>(engine.step_row_count) / static_cast<double>(engine.step_count) : 0);
  raise_to(series.preemptions, static_cast<double>(engine.preemption_count));
  raise_to(series.steps, static_cast<double>(engine.step_count));
  raise_to(series.prefix_queries, static_cast<double>(engine.prompt_token_count));
  raise_to(series.prefix_hits, static_cast<double>(engine.cached_token_count));
  set_process_use(series.registry);
  prometheus::Labels cache = series.labels;
  cache["block_size"] = std::to_string(series.page_token_count);
  cache["num_gpu_blocks"] = std::to_string(engine.pages_total);  // the field's name for the pages that there are
  series.family<Gauge>("vllm:cache_config_info", "1; the labels say how the KV cache is cut.").Add(cache).Set(1);
  return prometheus::TextSerializer().Serialize(series.registry.Collect());
}

AnswerMeter::AnswerMeter(Metrics& metrics, TimePoint received, int64_t prompt_token_count)
    : series_(metrics.series_), received_(received), prompt_token_count_(prompt_token_count) {}

AnswerMeter::~AnswerMeter() {
  if (!has_ended_) end("abort");
}

void AnswerMeter::add_tokens(int64_t count) {
  if (count == 0) return;
  const TimePoint now = series_->clock->now();
  series_->generated_tokens.Increment(static_cast<double>(count));
  if (last_token_) {
    // Tokens that come together share the time since those before.
    const double each = seconds(now - *last_token_) / static_cast<double>(count);
    for (int64_t i = 0; i < count; ++i) series_->inter_token.Observe(each);
  } else {
    series_->prompt_tokens.Increment(static_cast<double>(prompt_token_count_));
    series_->first_token.Observe(seconds(now - received_));
  }
  last_token_ = now;
}

void AnswerMeter::finish(const GenerationSummary& summary) {
  const RequestTimings& timings = summary.timings;
  const double decoding = seconds(timings.total - timings.first_token);
  series_->end_to_end.Observe(seconds(series_->clock->now() - received_));
  series_->queue.Observe(seconds(timings.queue));
  series_->prefill.Observe(seconds(timings.first_token - timings.queue));
  series_->decode.Observe(decoding);
  series_->inference.Observe(seconds(timings.total - timings.queue));
  series_->prompt_lengths.Observe(static_cast<double>(summary.prompt_tokens));
  series_->answer_lengths.Observe(static_cast<double>(summary.completion_tokens));
  if (prompt_token_count_ > 0) {  // else the prompt was counted with another answer
    series_->computed_lengths.Observe(static_cast<double>(summary.prompt_tokens - summary.cached_tokens));
  }
  if (summary.completion_tokens > 1) {
    series_->per_output_token.Observe(decoding / static_cast<double>(summary.completion_tokens - 1));
  }
  end(summary.reason == FinishReason::kStop ? "stop" : "length");
}

void AnswerMeter::fail(ErrorCode code) { end(reason_of(code)); }

void AnswerMeter::end(const char* reason) {
  has_ended_ = true;
  for (const auto& [name, counter] : series_->endings) {
    if (std::string_view(name) == reason) counter->Increment();
  }
}

}  // namespace pelton
