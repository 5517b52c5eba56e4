// `pelton bench serve`: a server of OpenAI's API under load, ours or another's.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/version.h"
#include "cli/bench_progress.h"
#include "cli/command.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "load/arrivals.h"
#include "load/load_page.h"
#include "load/load_run.h"
#include "load/load_summary.h"
#include "load/workload.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "--clients is closed load: so many clients, each asks again when it is answered. --rate is open load: requests "
    "come\n"
    "when they come (a Poisson process; --burstiness below 1 bunches them), and latencies count from when each was "
    "due.\n"
    "Several values make a sweep, with its knee: the highest load at which 90 % of the requests meet --slo; without "
    "one,\n"
    "up to which half of each step's load comes back as tokens.\n"
    "\n"
    "TTFT: time to the first text; TPOT: mean time a token after it; ITL: from piece to piece; in milliseconds. Tokens "
    "are\n"
    "the server's own count. Prompts are random words, as many as make up the tokens that were asked for: two "
    "requests\n"
    "beforehand find what a word costs.\n"
    "\n"
    "Examples:\n"
    "  pelton bench serve --url http://127.0.0.1:8080 --clients 1,8,32\n"
    "  pelton bench serve --url http://127.0.0.1:8080 --rate 1,2,4,8 --slo ttft=500ms,tpot=60ms --html load.html\n"
    "  pelton bench serve --url http://127.0.0.1:8080 --clients 8 --synthetic in=1100,out=32,shared-prefix=1000\n"
    "  pelton bench serve --url https://api.example.com/v1 --plain --clients 4 --dataset sharegpt.json --json\n";

constexpr int64_t kClientsMax = 100'000;
constexpr int64_t kRequestsMax = 10'000'000;
constexpr double kRateMax = 1e6;
constexpr double kSecondsMax = 86'400 * 30.0;
constexpr uint64_t kDatasetBytesMax = uint64_t{4} << 30;

struct BenchServeOptions {
  std::string url;
  std::optional<std::string> model;
  std::optional<std::string> key;
  std::vector<int64_t> client_counts;
  std::vector<double> rates;
  double burstiness = 1;
  int64_t request_count = 100;
  int64_t warmup_count = 4;
  std::optional<double> duration_s;
  std::string synthetic = "in=90,out=64";
  std::optional<std::string> dataset;
  int64_t dataset_tokens_max = 2048;
  std::string objective;
  std::optional<std::string> extra_body;
  bool uses_completions = false;
  bool is_plain = false;
  uint64_t seed = 1;
  std::optional<std::string> page;
  bool as_json = false;
};

LoadTarget target_of(const BenchServeOptions& options) {
  LoadTarget target{.url = parse_url(options.url), .model = "", .key = options.key};
  target.uses_chat = !options.uses_completions;
  if (!target.key) {
    const char* key = std::getenv("OPENAI_API_KEY");
    if (key != nullptr && *key != '\0') target.key = key;
  }
  target.extra_body = {{"temperature", 0}};
  target.fills_answers = !options.is_plain;
  if (options.extra_body) {
    const json::value extra = parse_json(*options.extra_body, "--extra-body");
    if (!extra.is_object()) throw Error(ErrorCode::kUsage, "--extra-body: not a JSON object");
    for (const auto& [name, value] : extra.get_object()) target.extra_body[name] = value;
  }
  target.model = options.model ? *options.model : first_model_of(target);
  return target;
}

// Two requests tell what a word costs; a server that counts no tokens is taken at a token a word.
TokenCost measure_token_cost(const LoadTarget& target, Rng& rng) {
  constexpr int64_t kFewWords = 8;
  constexpr int64_t kManyWords = 72;
  const auto tokens_for = [&](int64_t words) {
    return ask_once(target, {.text = random_words(words, rng), .max_tokens = 1}).prompt_token_count;
  };
  const auto few = tokens_for(kFewWords);
  const auto many = tokens_for(kManyWords);
  if (few && many) return fit_token_cost(kFewWords, *few, kManyWords, *many);
  print_note("the server counts no prompt tokens: a word is taken for one");
  return {};
}

// A dataset that is too short begins again.
std::vector<LoadPrompt> prompts_of(const BenchServeOptions& options, const LoadTarget& target, int64_t count,
                                   Rng& rng) {
  if (!options.dataset) {
    return synthetic_prompts(parse_synthetic(options.synthetic), measure_token_cost(target, rng), count, rng);
  }
  const std::vector<LoadPrompt> known =
      sharegpt_prompts(read_file(*options.dataset, kDatasetBytesMax), options.dataset_tokens_max);
  std::vector<LoadPrompt> prompts;
  for (int64_t i = 0; i < count; ++i) prompts.push_back(known[static_cast<size_t>(i) % known.size()]);
  return prompts;
}

std::optional<Duration> duration_of(const BenchServeOptions& options) {
  if (!options.duration_s) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*options.duration_s));
}

std::string workload_in_words(const BenchServeOptions& options) {
  const std::string prompts = options.dataset ? fmt::format("conversations of {}", *options.dataset)
                                              : fmt::format("synthetic prompts ({})", options.synthetic);
  const std::string arrivals =
      options.rates.empty() ? "closed load" : fmt::format("open load, burstiness {:g}", options.burstiness);
  return fmt::format("{} requests for each point, {}, {}, seed {}. Measured by pelton bench serve {}.",
                     options.request_count, prompts, arrivals, options.seed, kVersion);
}

template <typename OnProgress>
std::vector<LoadPoint> measure(const BenchServeOptions& options, const LoadObjective& objective,
                               OnProgress on_progress) {
  const LoadTarget target = target_of(options);
  Rng rng(options.seed);
  const auto run = [&](LoadPlan plan, const std::string& what) {
    plan.on_progress = [&](int64_t done, int64_t failed) {
      on_progress(fmt::format("{}: {} of {} answered, {} failed", what, done, plan.prompts.size(), failed));
    };
    return run_load(target, plan);
  };
  if (options.warmup_count > 0) {
    LoadPlan warmup;
    warmup.prompts = prompts_of(options, target, options.warmup_count, rng);
    run(std::move(warmup), "warm-up");
  }
  std::vector<LoadPoint> points;
  const auto add = [&](LoadPoint point, LoadPlan plan, const std::string& what) {
    plan.prompts = prompts_of(options, target, options.request_count, rng);
    plan.duration = duration_of(options);
    point.summary = summarise(run(std::move(plan), what), objective);
    points.push_back(std::move(point));
  };
  for (const int64_t count : options.client_counts) {
    LoadPlan plan;
    plan.client_count = count;
    add({.rate = std::nullopt, .client_count = count, .summary = {}}, std::move(plan),
        fmt::format("{} clients", count));
  }
  for (const double rate : options.rates) {
    LoadPlan plan;
    plan.arrivals = arrival_times(rate, options.burstiness, options.request_count, rng);
    add({.rate = rate, .client_count = std::nullopt, .summary = {}}, std::move(plan),
        fmt::format("{:g} a second", rate));
  }
  return points;
}

int bench_serve(BenchServeOptions& options) {
  if (options.client_counts.empty() && options.rates.empty()) options.client_counts = {1};
  const LoadObjective objective = parse_objective(options.objective);
  bool all_answered = true;
  const int code = until_interrupted([&](auto on_progress) {
    const std::vector<LoadPoint> points = measure(options, objective, on_progress);
    options.as_json ? print_json(to_json(points, objective)) : print_text(to_text(points, objective));
    if (options.page) replace_file(*options.page, to_html(points, objective, options.url, workload_in_words(options)));
    all_answered = std::all_of(points.begin(), points.end(),
                               [](const LoadPoint& point) { return point.summary.failed_count == 0; });
  });
  return code != 0 || all_answered ? code : 1;
}

}  // namespace

std::function<int()> add_bench_serve(CLI::App& app) {
  const auto options = std::make_shared<BenchServeOptions>();
  app.add_option("--url", options->url, "The server, as in http://127.0.0.1:8080, with or without /v1")->required();
  app.add_option("--model", options->model, "Which of its models; the first of /v1/models where none is named")
      ->check(name_problem);
  app.add_option("--key", options->key, "API key (default: $OPENAI_API_KEY)")->check(name_problem);
  CLI::Option* clients = app.add_option("--clients", options->client_counts,
                                        "Clients that ask at the same time, as in 1,8,32 (default: 1)");
  clients->delimiter(',')->check(CLI::Range(int64_t{1}, kClientsMax));
  app.add_option("--rate", options->rates, "Requests a second, as in 1,2,4, whether or not they are answered")
      ->delimiter(',')
      ->check(positive_number_problem)
      ->check([](const std::string& text) { return number_problem(text, kRateMax); })
      ->excludes(clients);
  app.add_option("--burstiness", options->burstiness, "Shape of the gaps of --rate: 1 Poisson, below 1 in bursts")
      ->check(positive_number_problem)
      ->capture_default_str();
  app.add_option("--requests", options->request_count, "Requests for each number of clients, or rate")
      ->check(CLI::Range(int64_t{1}, kRequestsMax))
      ->capture_default_str();
  app.add_option("--duration", options->duration_s, "Seconds after which no request begins")
      ->check(positive_number_problem)
      ->check([](const std::string& text) { return number_problem(text, kSecondsMax); });
  app.add_option("--warmup", options->warmup_count, "Requests beforehand, not counted")
      ->check(CLI::Range(int64_t{0}, kRequestsMax))
      ->capture_default_str();
  CLI::Option* synthetic = app.add_option("--synthetic", options->synthetic,
                                          "Tokens of a prompt, of an answer, of the prefix that all prompts share");
  synthetic->type_name("in=N,out=N,shared-prefix=N")->capture_default_str();
  app.add_option("--dataset", options->dataset, "Conversations in ShareGPT's form instead")
      ->type_name("FILE")
      ->excludes(synthetic);
  app.add_option("--slo", options->objective, "What a good request keeps: goodput counts those")
      ->type_name("ttft=TIME,tpot=TIME,e2e=TIME");
  app.add_flag("--completions", options->uses_completions, "Ask /v1/completions, not /v1/chat/completions");
  app.add_flag("--plain", options->is_plain,
               "Send no field that OpenAI does not know: answers may be shorter than asked for");
  app.add_option("--extra-body", options->extra_body, "Further fields of each request")->type_name("JSON");
  app.add_option("--seed", options->seed, "Of prompts and arrivals")->capture_default_str();
  app.add_option("--html", options->page, "Write a page with plots, too")->type_name("FILE");
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] { return bench_serve(*options); };
}

}  // namespace pelton::cli
