#include "server/server.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <utility>

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

}  // namespace

class Server::Impl {
 public:
  Impl(std::shared_ptr<Engine> engine, const ServerOptions& options)
      : engine_(std::move(engine)),
        options_(options),
        fine_tuning_(make_fine_tuning(*engine_, options)),
        access_(options.access),
        metrics_({.model_name = options.model_names.empty() ? engine_->bundle().name : options.model_names.front(),
                  .context_length = engine_->context_length(),
                  .page_token_count = engine_->page_token_count(),
                  .adapter_count_max = engine_->options().adapter_count_max,
                  .service_level = engine_->options().service_level,
                  .price_per_hour = options.price_per_hour}),
        context_{.engine = *engine_,
                 .model_names = options.model_names.empty() ? std::vector{engine_->bundle().name} : options.model_names,
                 .allow_special_in_messages = options.allow_special_in_messages,
                 .started = unix_seconds(),
                 .fingerprint = fingerprint_of(engine_->bundle(), engine_->options()),
                 .prompt_bytes_max = prompt_bytes_max(*engine_),
                 .embedding = options.embedding.value_or(engine_->bundle().embedding),
                 .tool_form = options.tool_form,
                 .adapter_folder = options.adapter_folder,
                 .access = access_,
                 .metrics = metrics_,
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
    http_.stop(options_.drain_time_max);  // waits for answers, and so for the workers, too
    workers_.stop();
    if (fine_tuning_ != nullptr) fine_tuning_->stop();
  }

 private:
  const std::shared_ptr<Engine> engine_;
  const ServerOptions options_;
  const std::unique_ptr<FineTuning> fine_tuning_;  // null: there is none
  Access access_;
  Metrics metrics_;
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
