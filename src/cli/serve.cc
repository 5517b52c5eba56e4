// `pelton serve`: OpenAI's HTTP API in front of one model, or several.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/config_file.h"
#include "cli/embedding_options.h"
#include "cli/model_options.h"
#include "cli/on_demand_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "engine/service_level.h"
#include "server/server.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Answers OpenAI's /v1/models, /v1/chat/completions, /v1/completions, /v1/responses and /v1/embeddings,\n"
    "Anthropic's /v1/messages and its count_tokens, /v1/rerank, /classify; /tokenize, /detokenize, /apply-template; "
    "/health,\n"
    "/ready, /version, /metrics (Prometheus, vLLM's names), and /openapi.json, which describes them all. An encoder\n"
    "(BERT, MiniLM, ModernBERT) gives embeddings alone, a reranker scores alone.\n"
    "With --fine-tuning also /v1/files and /v1/fine_tuning/jobs: a job trains an adapter on the weights that are "
    "served,\n"
    "giving way to answers, and the adapter answers as soon as it is there. A stop or a kill interrupts a job, which "
    "goes on\n"
    "at the next start.\n"
    "With --also other models answer as well, each by its name: they are loaded when they are asked for. Adapters and\n"
    "finetuning jobs are of the model that -m names, which is always there.\n"
    "Each request brings its own sampling options.\n"
    "Says \"listening on URL\" on standard error when it is ready; with --json also "
    "{\"event\":\"listening\",\"url\":…} on standard\n"
    "output. Ctrl-C or SIGTERM lets the answers in flight finish; a second one ends at once.\n"
    "\n"
    "Under systemd: Type=notify is told when it is ready, and a socket that it was activated with is used.\n"
    "\n"
    "Examples:\n"
    "  pelton serve -m model.gguf\n"
    "  pelton serve -m chat.gguf --also embedder=all-MiniLM-L6-v2 --also big=model.gguf --also-memory 8G\n"
    "  pelton serve -m model.gguf --host 0.0.0.0 --port 443 --tls-certificate chain.pem --tls-key key.pem\n"
    "  pelton serve -m model.gguf --api-keys keys.json --open-path /health --max-sequences 16 --slo "
    "ttft=500ms,tpot=60ms\n"
    "  pelton serve -m model.gguf --adapter support=tuned/support --adapter-folder tuned --fine-tuning jobs\n"
    "  pelton serve --config serve.yaml --port 8123   # serve.yaml: lines as in  model: model.gguf  and  port: 8080\n"
    "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi!\"}]}'\n";

struct ServeOptions {
  ModelOptions model;
  EmbeddingOptions embedding;
  OnDemandOptions on_demand;
  ServerOptions server;
  int64_t sequence_count_max = EngineOptions{}.sequence_count_max;
  int64_t queue_length_max = EngineOptions{}.queue_length_max;
  std::string prefix_cache = "on";
  std::string batching = "continuous";
  std::optional<std::string> slo;
  int64_t batch_window_ms = std::chrono::duration_cast<std::chrono::milliseconds>(EngineOptions{}.batch_window).count();
  std::optional<std::string> tool_parser;
  double drain_seconds = seconds(ServerOptions{}.drain_time_max);
  bool as_json = false;
};

std::string service_level_problem(const std::string& text) {
  return problem_of([&] { parse_service_level(text); });
}

constexpr std::pair<const char*, Batching> kBatchings[] = {
    {"continuous", Batching::kContinuous}, {"dynamic", Batching::kDynamic}, {"static", Batching::kStatic}};

int serve(const ServeOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a client that hangs up is no reason to end
  log::set_level(log::Level::kInfo);
  EngineOptions engine_options = options.model.engine_options();
  engine_options.sequence_count_max = options.sequence_count_max;
  engine_options.queue_length_max = options.queue_length_max;
  engine_options.caches_prefixes = options.prefix_cache == "on";
  for (const auto& [name, batching] : kBatchings) {
    if (options.batching == name) engine_options.batching = batching;
  }
  if (options.slo) engine_options.service_level = parse_service_level(*options.slo);
  engine_options.batch_window = std::chrono::milliseconds(options.batch_window_ms);
  ServerOptions server_options = options.server;
  server_options.drain_time_max =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.drain_seconds));

  if (options.tool_parser) server_options.tool_form = tool_form_by_name(*options.tool_parser);

  LoadedModel loaded = load_model(options.model, engine_options);
  options.on_demand.apply(engine_options, server_options);
  const std::vector<std::string> names =
      options.server.model_names.empty() ? std::vector{loaded.bundle->name} : options.server.model_names;
  for (const auto& [name, path] : options.model.named_adapters()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("--adapter {}=…: this is the model's own name", name));
    }
    for (const ServedOnDemand& other : server_options.others) {
      if (other.name != name) continue;
      throw Error(ErrorCode::kInvalidArgument, fmt::format("--adapter {}=…: --also has a model of this name", name));
    }
    loaded.engine->load_adapter(name, path);
  }
  server_options.embedding = options.embedding.settings(loaded.bundle->embedding);
  Server server(std::move(loaded.engine), server_options);
  server.start();
  print_note("listening on " + server.url());
  if (options.as_json) print_json({{"event", "listening"}, {"url", server.url()}, {"model", loaded.bundle->name}});
  server.run_until_signal();
  return 0;
}

}  // namespace

std::function<int()> add_serve(CLI::App& app) {
  constexpr int kPortMax = 65535;
  constexpr int64_t kCountMax = 1'000'000;
  constexpr double kDrainSecondsMax = 86'400;
  constexpr double kPriceMax = 1e6;
  const auto options = std::make_shared<ServeOptions>();
  HttpOptions& http = options->server.http;
  app.add_option("--host", http.host, "Address to listen on; 0.0.0.0 lets other machines in")
      ->check(name_problem)
      ->capture_default_str();
  app.add_option("--port", http.port, "Port to listen on; 0: any free one")
      ->check(CLI::Range(0, kPortMax))
      ->capture_default_str();
  app.add_option("--unix-socket", http.unix_path, "Unix socket to listen on as well, without TLS")->type_name("PATH");
  CLI::Option* certificate = app.add_option("--tls-certificate", http.certificate_file,
                                            "Speak TLS with this certificate (PEM, with its chain)");
  certificate->type_name("FILE")->check(CLI::ExistingFile);
  app.add_option("--tls-key", http.private_key_file, "The certificate's private key (PEM)")
      ->type_name("FILE")
      ->check(CLI::ExistingFile)
      ->needs(certificate);
  app.add_option("--name", options->server.model_names, "What requests call the model (may be given several times)")
      ->check(name_problem)
      ->type_size(1)
      ->allow_extra_args(false);
  app.add_option("--max-sequences", options->sequence_count_max, "Requests that are computed at once")
      ->check(CLI::Range(int64_t{1}, kCountMax))
      ->capture_default_str();
  app.add_option("--queue", options->queue_length_max, "Requests that may wait; more are refused with status 429")
      ->check(CLI::Range(int64_t{1}, kCountMax))
      ->capture_default_str();
  app.add_option("--api-keys", options->server.access.key_file,
                 "File of the keys that may ask (see pelton key); read again at SIGHUP")
      ->type_name("FILE");
  app.add_option("--open-path", options->server.access.open_paths,
                 "Path that needs no key even so, such as /health (may be given several times)")
      ->type_name("PATH")
      ->type_size(1)
      ->allow_extra_args(false);
  app.add_option("--allow-origin", http.allowed_origins,
                 "Origin whose pages may ask from a browser, \"*\" for all (may be given several times)")
      ->type_name("ORIGIN")
      ->check(name_problem)
      ->type_size(1)
      ->allow_extra_args(false);
  app.add_option("--prefix-cache", options->prefix_cache,
                 "Keep what was computed for prompts, for those that begin alike, until its memory is needed")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  CLI::Option* batching = app.add_option("--batching", options->batching,
                                         "When requests join those that are computed: at every step (continuous); when "
                                         "all have ended (static), after a wait for company (dynamic). The older ways "
                                         "are there to compare with")
                              ->check(CLI::IsMember({"continuous", "dynamic", "static"}))
                              ->capture_default_str();
  app.add_option("--batch-window", options->batch_window_ms, "Milliseconds that dynamic batching waits for company")
      ->check(CLI::Range(int64_t{0}, int64_t{60'000}))
      ->capture_default_str()
      ->needs(batching);
  app.add_option(
         "--slo", options->slo,
         "Times to keep for as many requests as possible, as in ttft=500ms,tpot=60ms (to the first token, and per "
         "token after it): chunks and admission follow from them")
      ->check(service_level_problem)
      ->type_name("LEVEL");
  app.add_option("--price-per-hour", options->server.price_per_hour,
                 "What an hour of this machine costs, in any currency: /metrics then has the cost of answers")
      ->check([](const std::string& text) { return number_problem(text, kPriceMax); })
      ->type_name("PRICE");
  app.add_option("--drain-seconds", options->drain_seconds, "What answers in flight get when the server stops")
      ->check([](const std::string& text) { return number_problem(text, kDrainSecondsMax); })
      ->capture_default_str();
  app.add_option("--tool-parser", options->tool_parser,
                 "How the model writes calls of tools: hermes, llama3, mistral, gpt-oss or json (default: as its "
                 "template does)")
      ->type_name("FORM");
  app.add_flag("--allow-special-in-messages", options->server.allow_special_in_messages,
               "Let messages contain special tokens, with which they can forge a turn of the chat");
  add_config_option(app);
  app.add_flag("--json", options->as_json, "Say on standard output, as a line of JSON, where it listens");
  options->embedding.add_to(app);
  app.add_option("--adapter-folder", options->server.adapter_folder,
                 "Let clients load and unload the adapters that lie in this folder (/v1/load_lora_adapter)")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  app.add_option("--fine-tuning", options->server.fine_tuning_folder,
                 "Let clients upload files and finetune the model (/v1/files, /v1/fine_tuning/jobs); all of that lies "
                 "in this folder, and is found there again")
      ->type_name("DIR");
  options->model.add_to(app, ModelOptions::Adapters::kNamed);
  options->on_demand.add_to(app);
  app.footer(kNotes);
  return [options] { return serve(*options); };
}

}  // namespace pelton::cli
