#include "cli/bench_simulate.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "bench/traffic_simulation.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "engine/engine.h"
#include "engine/service_level.h"
#include "report/text_table.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Poisson arrivals with exponential lengths, through the engine's own scheduler, under a clock that only counts. "
    "The\n"
    "machine is described by how long its steps take: by --machine, what `pelton bench model --json` printed with two\n"
    "batches or more, or by the three times. Goodput: requests that kept the service level.\n"
    "\n"
    "--json prints one object with `machine`, `load`, and a list `policies` of name, goodput_share, "
    "goodput_per_second,\n"
    "tokens_per_second, ttft and tpot (mean_ms, p50_ms, p95_ms, p99_ms), rows_per_step, cached_share, preemptions.\n"
    "\n"
    "Examples:\n"
    "  pelton bench simulate --rate 6\n"
    "  pelton bench model -m model.gguf -b 1,8,32 --json > machine.json\n"
    "  pelton bench simulate --machine machine.json --requests 1000000 --rate 9 --slo ttft=1s,tpot=80ms\n";

constexpr size_t kMachineBytesMax = 16 << 20;

struct Options {
  std::optional<std::string> machine;
  StepTimes times{.fixed_ms = 2.4, .decode_row_ms = 0.66, .prompt_row_ms = 0.4};  // the demo model on two cores
  SimulatedRun run;
  int64_t kv_tokens = 65'536;
  std::string slo = "ttft=500ms,tpot=60ms";
  bool as_json = false;
};

struct Policy {
  const char* name;
  Batching batching;
  bool knows_service_level;
};
constexpr Policy kPolicies[] = {{"static", Batching::kStatic, false},
                                {"dynamic", Batching::kDynamic, false},
                                {"continuous", Batching::kContinuous, false},
                                {"continuous, with service level", Batching::kContinuous, true}};

json::object to_json(const LatencySummary& latency) {
  return {
      {"mean_ms", latency.mean_ms}, {"p50_ms", latency.p50_ms}, {"p95_ms", latency.p95_ms}, {"p99_ms", latency.p99_ms}};
}

json::object to_json(const char* name, const SimulatedResult& result) {
  return {{"name", name},
          {"goodput_share", result.goodput_share},
          {"goodput_per_second", result.goodput_per_second},
          {"requests_per_second", result.requests_per_second},
          {"tokens_per_second", result.tokens_per_second},
          {"ttft", to_json(result.ttft)},
          {"tpot", to_json(result.tpot)},
          {"rows_per_step", result.rows_per_step},
          {"cached_share", result.cached_share},
          {"preemptions", result.preemption_count}};
}

void run_policies(Options& options) {
  SimulatedRun& run = options.run;
  SchedulerOptions& scheduling = run.scheduling;
  scheduling.step_times =
      options.machine ? step_times_of_bench(parse_json(read_file(*options.machine, kMachineBytesMax), *options.machine),
                                            scheduling.step_token_count_max)
                      : options.times;
  scheduling.page_count = options.kv_tokens / scheduling.page_token_count;
  scheduling.growth_page_count = EngineOptions::kGrowthPageCount;
  run.service_level = parse_service_level(options.slo);
  const StepTimes& times = scheduling.step_times;
  TextTable table({{"policy", Align::kLeft},
                   {"goodput"},
                   {"requests/s that are good"},
                   {"tokens/s"},
                   {"TTFT p50, p95, p99 in ms"},
                   {"TPOT p50, p95, p99 in ms"}});
  json::array policies;
  for (const Policy& policy : kPolicies) {
    scheduling.batching = policy.batching;
    scheduling.service_level = policy.knows_service_level ? std::optional(run.service_level) : std::nullopt;
    const SimulatedResult result = simulate(run);
    const auto latency = [](const LatencySummary& summary) {
      return fmt::format("{:.0f}  {:.0f}  {:.0f}", summary.p50_ms, summary.p95_ms, summary.p99_ms);
    };
    table.add_row({policy.name, fmt::format("{:.1f} %", 100 * result.goodput_share),
                   fmt::format("{:.2f}", result.goodput_per_second), fmt::format("{:.0f}", result.tokens_per_second),
                   latency(result.ttft), latency(result.tpot)});
    policies.push_back(to_json(policy.name, result));
  }
  if (options.as_json) {
    json::object object = {{"machine",
                            {{"fixed_ms", times.fixed_ms},
                             {"decode_row_ms", times.decode_row_ms},
                             {"prompt_row_ms", times.prompt_row_ms}}},
                           {"load",
                            {{"requests", run.request_count},
                             {"requests_per_second", run.traffic.requests_per_second},
                             {"slo", options.slo},
                             {"seed", run.traffic.seed}}}};
    object["policies"] = std::move(policies);
    print_json(object);
    return;
  }
  print_text(
      fmt::format("a step takes {:.3g} ms, {:.3g} ms more for each decode row and {:.3g} ms for each prompt row; "
                  "{} requests at {:.3g} a second, seed {}\n\n{}",
                  times.fixed_ms, times.decode_row_ms, times.prompt_row_ms, run.request_count,
                  run.traffic.requests_per_second, run.traffic.seed, table.to_string()));
}

}  // namespace

std::function<int()> add_bench_simulate(CLI::App& app) {
  constexpr double kRateMax = 1e6;
  constexpr double kStepMsMax = 1e6;
  constexpr int64_t kRequestsMax = 100'000'000;
  constexpr int64_t kTokensMax = 1'000'000;
  const auto options = std::make_shared<Options>();
  TrafficOptions& traffic = options->run.traffic;
  SchedulerOptions& scheduling = options->run.scheduling;
  const auto number = [&app](const char* name, double& value, const char* help, double max) {
    return app.add_option(name, value, help)
        ->check([max](const std::string& text) { return number_problem(text, max); })
        ->capture_default_str();
  };
  const auto count = [&app](const char* name, int64_t& value, const char* help, int64_t min, int64_t max) {
    app.add_option(name, value, help)->check(CLI::Range(min, max))->capture_default_str();
  };
  CLI::Option* machine =
      app.add_option("--machine", options->machine, "A file that `pelton bench model --json` printed")
          ->check(CLI::ExistingFile)
          ->type_name("FILE");
  number("--step-ms", options->times.fixed_ms, "Of a step, however few its rows", kStepMsMax)->excludes(machine);
  number("--decode-row-ms", options->times.decode_row_ms, "Of each sequence that gets a token", kStepMsMax)
      ->excludes(machine);
  number("--prompt-row-ms", options->times.prompt_row_ms, "Of each token of a prompt", kStepMsMax)->excludes(machine);
  app.add_option("--rate", traffic.requests_per_second, "Requests a second")
      ->check(positive_number_problem)
      ->check([](const std::string& text) { return number_problem(text, kRateMax); })
      ->capture_default_str();
  count("--requests", options->run.request_count, "How many arrive", 1, kRequestsMax);
  count("--prompt", traffic.prompt_tokens_mean, "Tokens of a prompt, on the mean", 1, kTokensMax);
  count("--answer", traffic.answer_tokens_mean, "Tokens of an answer, on the mean", 1, kTokensMax);
  count("--shared-prefix", traffic.shared_prefix_tokens, "Tokens that stand before each prompt", 0, kTokensMax);
  count("--prefixes", traffic.prefix_count, "Different ones of them", 1, kTokensMax);
  count("--clients", traffic.client_count, "Who share the machine fairly", 1, kTokensMax);
  count("--max-sequences", scheduling.sequence_count_max, "Requests that are computed at once", 1,
        scheduling.step_token_count_max);
  count("--kv-tokens", options->kv_tokens, "Tokens for whose keys and values there is memory", 16, int64_t{1} << 40);
  app.add_option("--seed", traffic.seed, "Of the load")->capture_default_str();
  app.add_option("--slo", options->slo, "What counts as good: times to the first token, and per token after it")
      ->type_name("LEVEL")
      ->capture_default_str();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] {
    run_policies(*options);
    return 0;
  };
}

}  // namespace pelton::cli
