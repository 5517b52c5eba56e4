#include "server/server.h"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unix_time.h"
#include "server/api_context.h"
#include "server/fine_tuning/fine_tuning.h"
#include "server/fingerprint.h"
#include "server/http/stop_signal.h"
#include "server/http/systemd.h"
#include "server/http/worker_pool.h"
#include "server/model_set.h"
#include "server/router.h"

namespace pelton {

namespace {

HttpOptions with_uploads(const ServerOptions& options) {
  HttpOptions http = options.http;
  if (options.fine_tuning_folder) {
    constexpr size_t kFormBytes = 65536;  // what a form has around its file
    http.large_body_path = "/v1/files";
    http.large_body_bytes_max = FileStoreLimits{}.file_bytes_max + kFormBytes;
  }
  return http;
}

// Null: there is none.
std::unique_ptr<FineTuning> make_fine_tuning(Engine& engine, const ServerOptions& options) {
  if (!options.fine_tuning_folder) return nullptr;
  return std::make_unique<FineTuning>(engine, FineTuningOptions{.folder = *options.fine_tuning_folder});
}

Metrics::Options metrics_options(const std::string& name, const EngineOptions& engine, int64_t context_length,
                                 int64_t page_token_count, const ServerOptions& options) {
  return {.model_name = name,
          .context_length = context_length,
          .page_token_count = page_token_count,
          .adapter_count_max = engine.adapter_count_max,
          .service_level = engine.service_level,
          .price_per_hour = options.price_per_hour};
}

ServedModel present(std::shared_ptr<Engine> engine, std::vector<std::string> names, std::shared_ptr<Metrics> metrics,
                    bool allow_special_in_messages) {
  const ModelBundle& bundle = engine->bundle();
  ServedModel model{.engine = engine, .names = std::move(names), .metrics = std::move(metrics)};
  model.fingerprint = fingerprint_of(bundle, engine->options());
  model.prompt_bytes_max = prompt_bytes_max(*engine);
  model.embedding = bundle.embedding;
  model.allow_special_in_messages = allow_special_in_messages;
  return model;
}

std::shared_ptr<const ServedModel> present_first(std::shared_ptr<Engine> engine, const ServerOptions& options) {
  const std::vector<std::string> names =
      options.model_names.empty() ? std::vector{engine->bundle().name} : options.model_names;
  auto metrics = std::make_shared<Metrics>(
      metrics_options(names.front(), engine->options(), engine->context_length(), engine->page_token_count(), options));
  ServedModel model = present(std::move(engine), names, std::move(metrics), options.allow_special_in_messages);
  if (options.embedding) model.embedding = *options.embedding;
  model.tool_form = options.tool_form;
  return std::make_shared<const ServedModel>(std::move(model));
}

// On the page of the first one's metrics.
std::vector<ModelOnDemand> present_others(const ServedModel& first, const ServerOptions& options) {
  std::vector<ModelOnDemand> others;
  for (const ServedOnDemand& other : options.others) {
    auto metrics = std::make_shared<Metrics>(metrics_options(other.name, first.engine->options(), other.context_length,
                                                             first.engine->page_token_count(), options),
                                             *first.metrics);
    others.push_back(
        {.name = other.name,
         .context_length = other.context_length,
         .bytes = other.bytes,
         .metrics = metrics,
         .load = [load = other.load, name = other.name, metrics, allow_special = options.allow_special_in_messages] {
           return std::make_shared<const ServedModel>(present(load(), {name}, metrics, allow_special));
         }});
  }
  return others;
}

}  // namespace

class Server::Impl {
 public:
  Impl(std::shared_ptr<Engine> engine, const ServerOptions& options)
      : options_(options),
        first_(present_first(std::move(engine), options)),
        fine_tuning_(make_fine_tuning(*first_->engine, options)),
        access_(options.access),
        models_(first_, present_others(*first_, options),
                {.bytes_max = options.others_bytes_max, .idle_max = options.others_idle_max}),
        context_{.models = models_,
                 .started = unix_seconds(),
                 .adapter_folder = options.adapter_folder,
                 .access = access_,
                 .workers = workers_,
                 .fine_tuning = fine_tuning_.get()},
        http_(with_uploads(options), [this](HttpRequest request, const std::shared_ptr<Reply>& reply) {
          dispatch(context_, std::move(request), reply);
        }) {}

  void start() {
    signal_.emplace(access_.needs_keys() ? std::function<void()>([this] { reload_keys(); }) : nullptr);
    http_.start();
    if (fine_tuning_ != nullptr) fine_tuning_->start();
    notify_service_manager("READY=1");
  }

  void run_until_signal() {
    CHECK(signal_.has_value());
    signal_->wait();
    notify_service_manager("STOPPING=1");
    log::info("stopping: requests in flight may finish; a second signal ends at once");
    stop();
  }

  int port() const { return http_.port(); }

  std::string url() const {
    const std::string& host = options_.http.host;
    const bool is_ip_v6 = host.find(':') != std::string::npos;
    const char* scheme = options_.http.certificate_file ? "https" : "http";
    return is_ip_v6 ? fmt::format("{}://[{}]:{}", scheme, host, port())
                    : fmt::format("{}://{}:{}", scheme, host, port());
  }

  void reload_keys() {
    try {
      access_.reload();
      log::info("the file of keys was read again");
    } catch (...) {
      log::error(fmt::format("the keys stay as they were: {}", current_error().message()));
    }
  }

  void stop() {
    if (fine_tuning_ != nullptr) fine_tuning_->request_stop();
    models_.stop();
    http_.stop(options_.drain_time_max);  // waits for answers, and so for the workers, too
    workers_.stop();
    if (fine_tuning_ != nullptr) fine_tuning_->stop();
  }

 private:
  const ServerOptions options_;
  const std::shared_ptr<const ServedModel> first_;
  const std::unique_ptr<FineTuning> fine_tuning_;  // null: there is none
  Access access_;
  ModelSet models_;
  WorkerPool workers_;
  const ApiContext context_;
  std::optional<StopSignal> signal_;
  HttpServer http_;  // the last: its threads use all above
};

Server::Server(std::shared_ptr<Engine> engine, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(engine), options)) {}
Server::~Server() { stop(); }
void Server::start() { impl_->start(); }
int Server::port() const { return impl_->port(); }
std::string Server::url() const { return impl_->url(); }
void Server::stop() { impl_->stop(); }

void Server::run_until_signal() { impl_->run_until_signal(); }

}  // namespace pelton
