// `pelton top`: what a server is doing, live.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "hub/http_client.h"
#include "hub/url.h"
#include "load/fetch_text.h"
#include "load/scrape.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Reads /metrics of a server now and then: ours, or any that has vLLM's names. Rates and percentiles are of the "
    "time\n"
    "between two readings; percentiles are as fine as the server's buckets.\n"
    "\n"
    "Examples:\n"
    "  pelton top --url http://127.0.0.1:8080\n"
    "  pelton top --url http://127.0.0.1:8080 --interval 10 --json > load.jsonl\n";

constexpr size_t kMetricsBytesMax = size_t{16} << 20;
constexpr double kIntervalMax = 3600;
constexpr Duration kNap = std::chrono::milliseconds(50);

struct TopOptions {
  std::string url;
  std::optional<std::string> key;
  double interval_s = 2;
  std::optional<int64_t> count;
  bool as_json = false;
};

Scrape read_metrics(HttpClient& client, const TopOptions& options) {
  Url url = parse_url(options.url);
  while (url.target.ends_with('/')) url.target.pop_back();
  if (!url.target.ends_with("/metrics")) url.target += "/metrics";
  return Scrape::parse(fetch_text(client, url, options.key, kMetricsBytesMax));
}

// One screen, or one line of JSON.
class Reading {
 public:
  Reading(const Scrape& before, const Scrape& after, double elapsed_s)
      : before_(before), after_(after), elapsed_s_(elapsed_s) {}

  json::object to_json() const {
    json::object object = {{"running", state("vllm:num_requests_running")},
                           {"waiting", state("vllm:num_requests_waiting")},
                           {"kv_use", fullest_kv() ? json::value(*fullest_kv()) : json::value()},
                           {"requests_per_second", rate("vllm:request_success_total")},
                           {"prompt_tokens_per_second", rate("vllm:prompt_tokens_total")},
                           {"answer_tokens_per_second", rate("vllm:generation_tokens_total")},
                           {"preemptions_per_second", rate("vllm:num_preemptions_total")}};
    for (const auto& [name, histogram] : kHistograms) {
      json::object quantiles;
      for (const double share : kShares) quantiles[fmt::format("p{:.0f}", 100 * share)] = time(histogram, share);
      object[name] = std::move(quantiles);
    }
    json::object slow;
    for (const auto& [cause, count] : slow_causes()) slow[cause] = count;
    object["slow"] = std::move(slow);
    object["kept_share"] = kept_share();
    if (model_names().size() == 1) {
      for (const auto& [kind, cost] : after_.by_label(kCosts, "kind")) object[kind + "_cost_per_million"] = cost;
    }
    json::object models;
    for (const std::string& name : model_names()) models[name] = of_model(name);
    object["models"] = std::move(models);
    return object;
  }

  std::string to_text() const {
    const auto number = [](const json::value& value, const char* unit = "") {
      return value.is_null() ? std::string("-") : fmt::format("{:.1f}{}", value.to_number<double>(), unit);
    };
    std::string text = fmt::format(
        "requests  {} running, {} waiting, {} a second, {} preempted a second\n"
        "tokens    {} of prompts and {} of answers a second\n"
        "KV cache  {}\n\n{:<10}{:>10}{:>10}{:>10}{:>10}\n",
        number(state("vllm:num_requests_running")), number(state("vllm:num_requests_waiting")),
        number(rate("vllm:request_success_total")), number(rate("vllm:num_preemptions_total")),
        number(rate("vllm:prompt_tokens_total")), number(rate("vllm:generation_tokens_total")), kv_use(), "ms", "p50",
        "p90", "p95", "p99");
    for (const auto& [name, histogram] : kHistograms) {
      text += fmt::format("{:<10}", std::string(name).substr(0, std::string_view(name).find("_ms")));
      for (const double share : kShares) text += fmt::format("{:>10}", number(time(histogram, share)));
      text += '\n';
    }
    if (after_.value(kSlow)) text += fmt::format("\nslow      {}\n", slow_text());
    if (after_.value(kKept)) {
      const json::value share = kept_share();
      text += fmt::format("promise   {} of the answers kept the service level\n",
                          share.is_null() ? "-" : fmt::format("{:.1f} %", 100 * share.to_number<double>()));
    }
    const std::vector<std::string> models = model_names();
    for (const std::string& name : models) {
      const std::string whose = models.size() > 1 ? fmt::format(" ({})", one_line(name, kNameBytesMax)) : "";
      for (const auto& [kind, cost] : after_.only(kModel, name).by_label(kCosts, "kind")) {
        text += fmt::format("cost      {:.4f} for a million tokens of {}{}\n", cost, kind, whose);
      }
    }
    if (models.size() < 2) return text;
    text += fmt::format("\n{:<30}{:>10}{:>10}{:>12}{:>12}\n", "model", "running", "waiting", "tokens/s", "KV cache");
    for (const std::string& name : models) {
      const json::object model = of_model(name);
      text +=
          fmt::format("{:<30}{:>10}{:>10}{:>12}{:>12}\n", one_line(name, kNameBytesMax), number(model.at("running")),
                      number(model.at("waiting")), number(model.at("answer_tokens_per_second")),
                      number(100 * model.at("kv_use").to_number<double>(), " %"));
    }
    return text;
  }

 private:
  static constexpr std::pair<const char*, const char*> kHistograms[] = {
      {"ttft_ms", "vllm:time_to_first_token_seconds"},
      {"itl_ms", "vllm:inter_token_latency_seconds"},
      {"tpot_ms", "vllm:request_time_per_output_token_seconds"},
      {"queue_ms", "vllm:request_queue_time_seconds"},
      {"e2e_ms", "vllm:e2e_request_latency_seconds"},
  };
  static constexpr double kShares[] = {0.5, 0.9, 0.95, 0.99};
  static constexpr const char* kSlow = "pelton:slow_answers_total";
  static constexpr const char* kKept = "pelton:slo_answers_total";
  static constexpr const char* kCosts = "pelton:cost_per_million_tokens";

  static constexpr const char* kModel = "model_name";
  static constexpr size_t kNameBytesMax = 28;

  std::vector<std::string> model_names() const {
    std::vector<std::string> names;
    for (const auto& [name, count] : after_.by_label("vllm:num_requests_running", kModel)) names.push_back(name);
    return names;
  }
  json::object of_model(const std::string& name) const {
    const Scrape then = before_.only(kModel, name), now = after_.only(kModel, name);
    json::object model;
    for (const auto& [key, series] :
         {std::pair("running", "vllm:num_requests_running"), std::pair("waiting", "vllm:num_requests_waiting"),
          std::pair("kv_use", "vllm:kv_cache_usage_perc")}) {
      model[key] = now.value(series).value_or(0);
    }
    model["answer_tokens_per_second"] = growth(then, now, "vllm:generation_tokens_total") / elapsed_s_;
    for (const auto& [kind, cost] : now.by_label(kCosts, "kind")) model[kind + "_cost_per_million"] = cost;
    return model;
  }
  // Of several models: the one that is fullest.
  std::optional<double> fullest_kv() const {
    std::optional<double> fullest;
    for (const auto& [name, use] : after_.by_label("vllm:kv_cache_usage_perc", kModel)) {
      fullest = std::max(use, fullest.value_or(0));
    }
    return fullest;
  }

  // What grew, by cause.
  std::map<std::string, double> slow_causes() const {
    const std::map<std::string, double> then = before_.by_label(kSlow, "cause");
    std::map<std::string, double> grown = after_.by_label(kSlow, "cause");
    for (auto& [cause, count] : grown) {
      const auto known = then.find(cause);
      if (known != then.end() && known->second <= count) count -= known->second;
    }
    std::erase_if(grown, [](const auto& entry) { return entry.second == 0; });
    return grown;
  }
  std::string slow_text() const {
    std::string text;
    for (const auto& [cause, count] : slow_causes()) {
      text += fmt::format("{}{:.0f} by {}", text.empty() ? "" : ", ", count, cause);
    }
    return text.empty() ? "none" : text;
  }
  // Null: no answer came.
  json::value kept_share() const {
    const double all = growth(before_, after_, kKept);
    if (!(all > 0)) return {};
    const auto kept = [](const Scrape& scrape) { return scrape.by_label(kKept, "kept")["true"]; };
    const double then = kept(before_), now = kept(after_);
    return (now >= then ? now - then : now) / all;
  }

  json::value state(const char* name) const {
    const auto value = after_.value(name);
    return value ? json::value(*value) : json::value();
  }
  json::value rate(const char* name) const {
    return after_.value(name) ? json::value(growth(before_, after_, name) / elapsed_s_) : json::value();
  }
  json::value time(const char* histogram, double share) const {
    const auto value = quantile(before_, after_, histogram, share);
    return value ? json::value(1000 * *value) : json::value();
  }
  // A bar of twenty places.
  std::string kv_use() const {
    const std::optional<double> use = fullest_kv();
    if (!use) return "-";
    constexpr int kWidth = 20;
    std::string bar;
    for (int i = 0; i < kWidth; ++i) bar += i < *use * kWidth ? "█" : "░";
    return fmt::format("{} {:.1f} %", bar, 100 * *use);
  }

  const Scrape& before_;
  const Scrape& after_;
  double elapsed_s_;
};

int top(const TopOptions& options) {
  const InterruptScope interrupt;
  HttpClient client({.trust = load_tls_trust()});
  const SteadyClock clock;
  Scrape before = read_metrics(client, options);
  TimePoint read_at = clock.now();
  for (int64_t i = 0; !options.count || i < *options.count; ++i) {
    while (seconds(clock.now() - read_at) < options.interval_s) {
      if (interrupt.signal() != 0) return 0;  // how one leaves it
      std::this_thread::sleep_for(kNap);
    }
    Scrape after = read_metrics(client, options);
    const TimePoint now = clock.now();
    const Reading reading(before, after, seconds(now - read_at));
    if (options.as_json) {
      print_json(reading.to_json());
    } else {
      const std::string clear = stdout_is_terminal() ? "\x1b[H\x1b[2J" : "";
      print_text(fmt::format("{}{}  every {:g} s\n\n{}", clear, options.url, options.interval_s, reading.to_text()));
    }
    before = std::move(after);
    read_at = now;
  }
  return 0;
}

}  // namespace

std::function<int()> add_top(CLI::App& app) {
  const auto options = std::make_shared<TopOptions>();
  app.add_option("--url", options->url, "The server, as in http://127.0.0.1:8080")->required();
  app.add_option("--key", options->key, "API key, where the server wants one for /metrics")->check(name_problem);
  app.add_option("--interval", options->interval_s, "Seconds between two readings")
      ->check(positive_number_problem)
      ->check([](const std::string& text) { return number_problem(text, kIntervalMax); })
      ->capture_default_str();
  app.add_option("--count", options->count, "End after so many readings (default: at Ctrl-C)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_flag("--json", options->as_json, "Print a JSON object for each reading");
  app.footer(kNotes);
  return [options] { return top(*options); };
}

}  // namespace pelton::cli
