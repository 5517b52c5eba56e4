#include "bench/traffic_simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"

namespace pelton {
namespace {

LatencySummary summarise(std::vector<float>& ms) {
  if (ms.empty()) return {};
  std::sort(ms.begin(), ms.end());
  double sum = 0;
  for (const float value : ms) sum += static_cast<double>(value);
  const auto at = [&](double share) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(ms.size())));
    return static_cast<double>(ms[std::max<size_t>(rank, 1) - 1]);
  };
  return {.mean_ms = sum / static_cast<double>(ms.size()), .p50_ms = at(0.5), .p95_ms = at(0.95), .p99_ms = at(0.99)};
}

class TrafficSimulation {
 public:
  explicit TrafficSimulation(const SimulatedRun& run)
      : run_(run), traffic_(run.traffic), scheduler_(run.scheduling), left_count_(run.request_count) {
    fetch();
  }

  SimulatedResult result() {
    while (next_ || !scheduler_.is_empty()) advance();
    SimulatedResult result;
    result.seconds = seconds(now_ - TimePoint());
    const auto per_second = [&](int64_t count) { return static_cast<double>(count) / result.seconds; };
    result.requests_per_second = per_second(run_.request_count);
    result.tokens_per_second = per_second(token_count_);
    result.goodput_per_second = per_second(good_count_);
    result.goodput_share = static_cast<double>(good_count_) / static_cast<double>(run_.request_count);
    result.ttft = summarise(ttft_ms_);
    result.tpot = summarise(tpot_ms_);
    result.first_client_ttft = summarise(first_client_ttft_ms_);
    result.step_count = step_count_;
    result.rows_per_step = static_cast<double>(row_count_) / static_cast<double>(std::max<int64_t>(1, step_count_));
    result.cached_share = static_cast<double>(scheduler_.cached_token_count()) /
                          static_cast<double>(std::max<int64_t>(1, scheduler_.admitted_token_count()));
    result.preemption_count = scheduler_.preemption_count();
    return result;
  }

 private:
  struct Active {
    TrafficRequest request;
    TimePoint first_token;
    int64_t answer_tokens = 0;
  };

  void fetch() {
    next_ = left_count_ > 0 ? std::optional(traffic_.next()) : std::nullopt;
    --left_count_;
  }

  void advance() {
    if (scheduler_.is_empty()) now_ = std::max(now_, next_->arrival);
    for (; next_ && next_->arrival <= now_; fetch()) add(*next_);
    scheduler_.plan(plan_, now_);
    if (plan_.sequences.empty()) {
      now_ = next_ ? std::min(*plan_.wake, std::max(now_, next_->arrival)) : *plan_.wake;
      return;
    }
    const std::chrono::duration<double, std::milli> step(run_.scheduling.step_times.estimate_ms(work_of(plan_)));
    now_ += std::chrono::duration_cast<Duration>(step);
    ++step_count_;
    row_count_ += plan_.row_count;
    scheduler_.complete(plan_);
    for (const ScheduledRows& rows : plan_.sequences) {
      if (rows.completes_tokens) give_token(rows.id);
    }
  }

  void add(const TrafficRequest& request) {
    const SequenceId id{++id_count_};
    prefixes_.clear();
    if (run_.caches_prefixes) {
      const int64_t page_count = request.prompt_tokens / run_.scheduling.page_token_count;
      const int64_t shared_count = run_.traffic.shared_prefix_tokens / run_.scheduling.page_token_count;
      for (int64_t page = 0; page < page_count; ++page) {
        const bool is_shared = page < shared_count;
        // Any two numbers that differ; the top bit tells shared from own.
        const uint64_t owner = is_shared ? request.prefix : (uint64_t{1} << 63) + static_cast<uint64_t>(id);
        prefixes_.push_back({Rng(owner ^ (static_cast<uint64_t>(page) << 40)).next(), owner});
      }
    }
    scheduler_.add({.id = id,
                    .token_count = request.prompt_tokens,
                    .token_count_max = request.prompt_tokens + request.answer_tokens,
                    .prefixes = prefixes_,
                    .client = request.client,
                    .time = request.arrival});
    active_.emplace(id, Active{request, {}, 0});
  }

  void give_token(SequenceId id) {
    Active& active = active_.at(id);
    if (++active.answer_tokens == 1) active.first_token = now_;
    ++token_count_;
    if (active.answer_tokens < active.request.answer_tokens) return scheduler_.append_token(id);
    finish(active);
    scheduler_.remove(id);
    active_.erase(id);
  }

  void finish(const Active& active) {
    const Duration ttft = active.first_token - active.request.arrival;
    ttft_ms_.push_back(static_cast<float>(milliseconds(ttft)));
    if (active.request.client == 0) first_client_ttft_ms_.push_back(ttft_ms_.back());
    Duration tpot{};
    if (active.answer_tokens > 1) {
      tpot = (now_ - active.first_token) / (active.answer_tokens - 1);
      tpot_ms_.push_back(static_cast<float>(milliseconds(tpot)));
    }
    if (ttft <= run_.service_level.ttft && tpot <= run_.service_level.tpot) ++good_count_;
  }

  const SimulatedRun& run_;
  Traffic traffic_;
  Scheduler scheduler_;
  int64_t left_count_;
  std::optional<TrafficRequest> next_;
  TimePoint now_{};
  std::unordered_map<SequenceId, Active> active_;
  std::vector<PrefixHash> prefixes_;
  StepPlan plan_;
  uint64_t id_count_ = 0;
  std::vector<float> ttft_ms_;
  std::vector<float> tpot_ms_;
  std::vector<float> first_client_ttft_ms_;
  int64_t good_count_ = 0;
  int64_t token_count_ = 0;
  int64_t step_count_ = 0;
  int64_t row_count_ = 0;
};

}  // namespace

SimulatedResult simulate(const SimulatedRun& run) {
  constexpr int64_t kMeansMax = 10;  // the longest that Traffic makes
  const int64_t longest =
      run.traffic.shared_prefix_tokens + kMeansMax * (run.traffic.prompt_tokens_mean + run.traffic.answer_tokens_mean);
  const int64_t room = run.scheduling.page_count * run.scheduling.page_token_count;
  if (longest > room) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the longest request of such a load has {} tokens, and keys and values have room for {}",
                            longest, room),
                "kv_tokens");
  }
  return TrafficSimulation(run).result();
}

StepTimes step_times_of_bench(const json::value& bench, int64_t step_token_count_max) {
  const JsonReader reader = JsonReader::of(bench, "");
  const json::array* results = reader.array("results");
  if (results == nullptr) reader.fail("results", "the list that `pelton bench model --json` prints");
  std::map<int64_t, double> decode_ms;               // by batch
  std::optional<std::pair<double, double>> prefill;  // tokens, milliseconds
  for (size_t i = 0; i < results->size(); ++i) {
    const JsonReader result = JsonReader::of((*results)[i], fmt::format("results[{}]", i));
    constexpr int64_t kMax = int64_t{1} << 40;
    const auto batch = result.integer("batch", 1, kMax);
    const auto tokens = result.integer("tokens", 1, kMax);
    const json::value* speeds = result.value("tokens_per_second");
    if (speeds == nullptr) result.fail("tokens_per_second", "the speeds of a result");
    const JsonReader speed = JsonReader::of(*speeds, result.path_of("tokens_per_second"));
    const auto median = speed.number("median", 1e-9, 1e12);
    const auto phase = result.string("phase");
    if (!batch || !tokens || !median || !phase) result.fail("phase", "a result of `pelton bench model --json`");
    const double rows = phase == "decode" ? static_cast<double>(*batch) : static_cast<double>(*tokens);
    const double ms = 1000 * rows / *median;
    if (phase == "decode") {
      decode_ms.emplace(*batch, ms);
    } else {
      prefill = {rows, ms};
    }
  }
  if (decode_ms.size() < 2 || !prefill) {
    reader.fail("results",
                "a prefill and decode with two batches or more, as of `pelton bench model -b 1,8,32 --json`");
  }
  // Least squares of ms = fixed + batch · row.
  double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for (const auto& [batch, ms] : decode_ms) {
    const auto x = static_cast<double>(batch);
    n += 1, sum_x += x, sum_y += ms, sum_xx += x * x, sum_xy += x * ms;
  }
  StepTimes times;
  times.decode_row_ms = std::max(0.0, (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x));
  times.fixed_ms = std::max(0.0, (sum_y - times.decode_row_ms * sum_x) / n);
  const double chunk_count = std::ceil(prefill->first / static_cast<double>(step_token_count_max));
  times.prompt_row_ms = std::max(0.0, (prefill->second - chunk_count * times.fixed_ms) / prefill->first);
  return times;
}

}  // namespace pelton
