#include "server/metrics/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/energy_meter.h"
#include "base/log.h"
#include "base/version.h"
#include "server/metrics/process_use.h"
#include "server/metrics/slow_answers.h"

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

// Of a currency: an answer of a small model costs a millionth of what an hour does.
const Buckets kPrices = {1e-8, 2e-8, 5e-8, 1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5,
                         1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1,  1};

// Lines about slow answers: under overload every second answer is one.
constexpr Duration kSlowLogInterval = std::chrono::seconds(1);

const char* priority_name(Priority priority) {
  switch (priority) {
    case Priority::kInteractive:
      return "interactive";
    case Priority::kNormal:
      return "normal";
    case Priority::kBatch:
      return "batch";
  }
  PELTON_UNREACHABLE();
}

// A bounded set: nothing of a client's may become a label.
const char* reason_of(ErrorCode code) { return code == ErrorCode::kCancelled ? "abort" : "error"; }

}  // namespace

// What the models of a process share.
struct Metrics::Page {
  Page(const std::filesystem::path& root, std::optional<double> price_per_hour) : energy(root) {
    energy.start();
    if (!price_per_hour) return;
    prometheus::BuildGauge()
        .Name("pelton:price_per_hour")
        .Help("Of the machine, as the server was told.")
        .Register(registry)
        .Add({})
        .Set(*price_per_hour);
  }

  std::string text();

  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::mutex mutex;    // no reader sees series while they are replaced
  EnergyMeter energy;  // with the mutex
};

struct Metrics::Series {
  Series(const Options& options, std::shared_ptr<Page> the_page)
      : page(std::move(the_page)),
        clock(options.clock),
        labels{{"engine", "0"}, {"model_name", options.model_name}},
        token_buckets(token_count_buckets(std::max<int64_t>(options.context_length, 1))),
        page_token_count(options.page_token_count),
        price_per_second(options.price_per_hour ? std::optional(*options.price_per_hour / 3600) : std::nullopt),
        slow(options.service_level),
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
    if (options.price_per_hour) {
      price = &histogram("pelton:request_cost",
                         "Price of an answer's part of the machine's time, in the currency of the price per hour.",
                         kPrices);
    }
    family<Gauge>("process_start_time_seconds", "When the server began, since 1970.").Add({}).SetToCurrentTime();
  }

  template <typename Metric>
  prometheus::Family<Metric>& family(const char* name, const char* help) {
    if constexpr (std::is_same_v<Metric, Counter>) {
      return prometheus::BuildCounter().Name(name).Help(help).Register(page->registry);
    } else if constexpr (std::is_same_v<Metric, Gauge>) {
      return prometheus::BuildGauge().Name(name).Help(help).Register(page->registry);
    } else {
      return prometheus::BuildHistogram().Name(name).Help(help).Register(page->registry);
    }
  }
  Counter& kept(Priority priority, bool is_kept) {
    prometheus::Labels with_class = labels;
    with_class["priority"] = priority_name(priority);
    with_class["kept"] = is_kept ? "true" : "false";
    return family<Counter>("pelton:slo_answers_total", "Answers by whether they kept the service level (--slo).")
        .Add(with_class);
  }
  Counter& use(const char* kind) {
    prometheus::Labels with_kind = labels;
    with_kind["kind"] = kind;
    return family<Counter>(
               "pelton:machine_seconds_total",
               "The machine's time that finished answers took; where several models compute at once, each counts it.")
        .Add(with_kind);
  }
  void count_slow(SlowAnswers::Phase phase, const SlowAnswers::Slowness& slowness, const std::string& request_id,
                  double value_s, const std::string& parts);
  // All with the page's mutex.
  void set(const EngineStatistics& engine, const std::vector<AdapterInfo>& infos);
  void set_steps(const EngineStatistics& engine);
  void set_costs();
  void set_adapters(const std::vector<AdapterInfo>& infos);
  void set_cache(const EngineStatistics& engine);
  Counter& counter(const char* name, const char* help) { return family<Counter>(name, help).Add(labels); }
  Gauge& gauge(const char* name, const char* help) { return family<Gauge>(name, help).Add(labels); }
  Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return family<Histogram>(name, help).Add(labels, buckets);
  }

  const std::shared_ptr<Page> page;
  const std::shared_ptr<const Clock> clock;
  const prometheus::Labels labels;
  const Buckets token_buckets;
  const int64_t page_token_count;
  const std::optional<double> price_per_second;
  Histogram* price = nullptr;  // none: there is no price
  SlowAnswers slow;
  std::atomic<int64_t> slow_logged_ns{std::numeric_limits<int64_t>::min()};
  std::atomic<int64_t> slow_unlogged_count{0};
  EngineStatistics seen;  // what the engine had counted of what is counted here; with the page's mutex
  const int64_t adapter_count_max;
  // The model's one series of vllm:lora_requests_info and of vllm:cache_config_info, which change their labels; null:
  // none yet.
  Gauge* adapters = nullptr;
  Gauge* cache = nullptr;
  std::vector<std::pair<const char*, Counter*>> endings;

  // The engine's state, set when somebody asks.
  Gauge& running = gauge("vllm:num_requests_running", "Requests that are being computed.");
  Gauge& waiting = gauge("vllm:num_requests_waiting", "Requests that wait to be computed.");
  Gauge& kv_use = gauge("vllm:kv_cache_usage_perc", "Share of the KV cache's pages in use; 1 is all.");
  Gauge& mean_batch = gauge("pelton:step_rows_mean", "Rows (tokens) of a step, on average since the model was loaded.");
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
  Histogram& answer_counts = histogram("vllm:request_params_n", "Answers that a request asks for.", {1, 2, 5, 10, 20});
  Histogram& tokens_asked =
      histogram("vllm:request_params_max_tokens", "Tokens that an answer may have.", token_buckets);
  Histogram& step_rows = histogram("vllm:iteration_tokens_total", "Rows (tokens) of a step.",
                                   Buckets(kStepRowBounds.begin(), kStepRowBounds.end()));
  Counter& prompt_seconds = use("prompt");
  Counter& answer_seconds = use("generation");
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

// What the engine counted since we asked last.
void Metrics::Series::set_steps(const EngineStatistics& engine) {
  // Of two that ask at once the one that asked first may come last: its numbers are old, and add nothing.
  const auto count = [&](Counter& counter, int64_t EngineStatistics::*field) {
    if (engine.*field <= seen.*field) return;
    counter.Increment(static_cast<double>(engine.*field - seen.*field));
    seen.*field = engine.*field;
  };
  if (engine.step_count > seen.step_count) {
    std::vector<double> increments;
    for (size_t i = 0; i < engine.steps_by_rows.size(); ++i) {
      increments.push_back(static_cast<double>(engine.steps_by_rows[i] - seen.steps_by_rows[i]));
    }
    step_rows.ObserveMultiple(increments, static_cast<double>(engine.step_row_count - seen.step_row_count));
    seen.steps_by_rows = engine.steps_by_rows;
    seen.step_row_count = engine.step_row_count;
  }
  count(steps, &EngineStatistics::step_count);
  count(preemptions, &EngineStatistics::preemption_count);
  count(prefix_queries, &EngineStatistics::prompt_token_count);
  count(prefix_hits, &EngineStatistics::cached_token_count);
}

void Metrics::Series::set_costs() {
  if (!price_per_second) return;
  const auto set = [&](const char* kind, const Counter& machine_seconds, const Counter& tokens) {
    prometheus::Labels with_kind = labels;
    with_kind["kind"] = kind;
    family<Gauge>("pelton:cost_per_million_tokens", "Since the start: price of the machine's time that they took.")
        .Add(with_kind)
        .Set(tokens.Value() > 0 ? 1e6 * machine_seconds.Value() * *price_per_second / tokens.Value() : 0);
  };
  set("prompt", prompt_seconds, prompt_tokens);
  set("generation", answer_seconds, generated_tokens);
}

void Metrics::Series::count_slow(SlowAnswers::Phase phase, const SlowAnswers::Slowness& slowness,
                                 const std::string& request_id, double value_s, const std::string& parts) {
  const char* phase_name = SlowAnswers::kPhases[static_cast<size_t>(phase)];
  prometheus::Labels with_cause = labels;
  with_cause["phase"] = phase_name;
  with_cause["cause"] = slowness.cause;
  family<Counter>("pelton:slow_answers_total",
                  "Answers beyond the service level, or beyond the 99th percentile where none was promised, by what "
                  "took most of the time.")
      .Add(with_cause)
      .Increment();
  const int64_t now = clock->now().time_since_epoch().count();
  int64_t logged = slow_logged_ns;
  if (logged > now - Duration(kSlowLogInterval).count() || !slow_logged_ns.compare_exchange_strong(logged, now)) {
    ++slow_unlogged_count;
    return;
  }
  const int64_t left_out = slow_unlogged_count.exchange(0);
  log::info(fmt::format("slow: {} phase={} cause={} took {:.3f} s ({} {:.3f} s){}{}{}", request_id, phase_name,
                        slowness.cause, value_s, slowness.was_promised ? "promised" : "p99", slowness.limit_s,
                        parts.empty() ? "" : ": ", parts,
                        left_out > 0 ? fmt::format("; {} more were not logged", left_out) : ""));
}

void Metrics::observe_delivery(const std::string& request_id, Duration duration) {
  const auto slowness = SlowAnswers::judge_delivery(duration);
  if (slowness) series_->count_slow(SlowAnswers::Phase::kDelivery, *slowness, request_id, seconds(duration), "");
}

void Metrics::Series::set_cache(const EngineStatistics& engine) {
  auto& info = family<Gauge>("vllm:cache_config_info", "1; the labels say how the KV cache is cut.");
  if (cache != nullptr) info.Remove(cache);
  prometheus::Labels with_sizes = labels;
  with_sizes["block_size"] = std::to_string(page_token_count);
  with_sizes["num_gpu_blocks"] = std::to_string(engine.pages_total);  // the field's name for the pages that there are
  cache = &info.Add(with_sizes);
  cache->Set(1);
}

void Metrics::Series::set(const EngineStatistics& engine, const std::vector<AdapterInfo>& infos) {
  set_adapters(infos);
  const auto pages_total = static_cast<double>(engine.pages_total);
  running.Set(static_cast<double>(engine.running_count));
  waiting.Set(static_cast<double>(engine.waiting_count));
  kv_use.Set(pages_total > 0 ? static_cast<double>(engine.pages_used) / pages_total : 0);
  mean_batch.Set(
      engine.step_count > 0 ? static_cast<double>(engine.step_row_count) / static_cast<double>(engine.step_count) : 0);
  set_steps(engine);
  set_costs();
  set_cache(engine);
}

std::string Metrics::Page::text() {
  if (const std::optional<double> joules = energy.joules()) {  // since it was asked last
    prometheus::BuildCounter()
        .Name("pelton:energy_joules_total")
        .Help("What the machine's processors took, all programs together.")
        .Register(registry)
        .Add({})
        .Increment(*joules);
    energy.start();
  }
  set_process_use(registry);
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

Metrics::Metrics(const Options& options)
    : series_(std::make_shared<Series>(options, std::make_shared<Page>(options.root, options.price_per_hour))) {}
Metrics::Metrics(const Options& options, const Metrics& other)
    : series_(std::make_shared<Series>(options, other.series_->page)) {}
Metrics::~Metrics() = default;

void Metrics::set(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters) {
  const std::lock_guard lock(series_->page->mutex);
  series_->set(engine, adapters);
}

void Metrics::set_gone(const EngineStatistics& last) {
  const std::lock_guard lock(series_->page->mutex);
  series_->set(last, {});
  series_->seen = {};
  for (Gauge* state : {&series_->running, &series_->waiting, &series_->kv_use}) state->Set(0);
}

std::string Metrics::text() {
  const std::lock_guard lock(series_->page->mutex);
  return series_->page->text();
}

std::string Metrics::text(const EngineStatistics& engine, const std::vector<AdapterInfo>& adapters) {
  set(engine, adapters);
  return text();
}

AnswerMeter::AnswerMeter(Metrics& metrics, Options options) : series_(metrics.series_), options_(std::move(options)) {
  if (options_.prompt_token_count > 0) series_->answer_counts.Observe(static_cast<double>(options_.answer_count));
  if (options_.max_tokens) series_->tokens_asked.Observe(static_cast<double>(*options_.max_tokens));
}

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
    series_->prompt_tokens.Increment(static_cast<double>(options_.prompt_token_count));
    first_token_s_ = seconds(now - options_.received);
    series_->first_token.Observe(first_token_s_);
  }
  last_token_ = now;
}

void AnswerMeter::finish(const GenerationSummary& summary) {
  const RequestTimings& timings = summary.timings;
  const double decoding = seconds(timings.total - timings.first_token);
  series_->end_to_end.Observe(seconds(series_->clock->now() - options_.received));
  series_->queue.Observe(seconds(timings.queue));
  series_->prefill.Observe(seconds(timings.first_token - timings.queue));
  series_->decode.Observe(decoding);
  series_->inference.Observe(seconds(timings.total - timings.queue));
  series_->prompt_lengths.Observe(static_cast<double>(summary.prompt_tokens));
  series_->answer_lengths.Observe(static_cast<double>(summary.completion_tokens));
  if (options_.prompt_token_count > 0) {  // else the prompt was counted with another answer
    series_->computed_lengths.Observe(static_cast<double>(summary.prompt_tokens - summary.cached_tokens));
  }
  if (summary.completion_tokens > 1) {
    series_->per_output_token.Observe(decoding / static_cast<double>(summary.completion_tokens - 1));
  }
  series_->prompt_seconds.Increment(seconds(timings.prompt_use));
  series_->answer_seconds.Increment(seconds(timings.answer_use));
  if (series_->price != nullptr) {
    series_->price->Observe(seconds(timings.prompt_use + timings.answer_use) * *series_->price_per_second);
  }
  judge(summary);
  end(summary.reason == FinishReason::kStop ? "stop" : "length");
}

void AnswerMeter::judge(const GenerationSummary& summary) {
  // A beam search comes whole at its end: when it began to is what its prompt took.
  if (summary.beam) first_token_s_ = seconds(summary.timings.first_token);
  TimeShares until_first = summary.timings.until_first_token;
  // Reading and tokenising the request, before the engine knows of it, is the prompt's doing too.
  until_first[TimePart::kPrompt] +=
      std::max(Duration(0), std::chrono::duration_cast<Duration>(std::chrono::duration<double>(first_token_s_)) -
                                summary.timings.first_token);
  const double per_token = seconds(summary.timings.total - summary.timings.first_token) /
                           static_cast<double>(std::max<int64_t>(1, summary.completion_tokens - 1));
  if (const auto slowness = series_->slow.judge_first_token(first_token_s_, until_first)) {
    series_->count_slow(SlowAnswers::Phase::kFirstToken, *slowness, options_.request_id, first_token_s_,
                        describe(until_first));
  }
  if (summary.completion_tokens > 1) {
    const TimeShares& after_first = summary.timings.after_first_token;
    if (const auto slowness = series_->slow.judge_decode(per_token, after_first)) {
      series_->count_slow(SlowAnswers::Phase::kDecode, *slowness, options_.request_id, per_token,
                          describe(after_first));
    }
  }
  if (const auto& level = series_->slow.level()) {
    const bool is_kept = first_token_s_ <= seconds(level->ttft) && per_token <= seconds(level->tpot);
    series_->kept(options_.priority, is_kept).Increment();
  }
}

void AnswerMeter::fail(ErrorCode code) { end(reason_of(code)); }

void AnswerMeter::end(const char* reason) {
  has_ended_ = true;
  for (const auto& [name, counter] : series_->endings) {
    if (std::string_view(name) == reason) counter->Increment();
  }
}

}  // namespace pelton
