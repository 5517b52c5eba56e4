#include "server/server.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "base/log.h"
#include "server/api_context.h"
#include "server/http/stop_signal.h"
#include "server/router.h"

namespace pelton {
namespace {

std::string fingerprint_of(const ModelBundle& bundle) {
  return fmt::format("fp_{:010x}", std::hash<std::string>()(bundle.name) & 0xFFFFFFFFFFu);
}

}  // namespace

class Server::Impl {
 public:
  Impl(std::shared_ptr<Engine> engine, const ServerOptions& options)
      : engine_(std::move(engine)),
        options_(options),
        context_{.engine = *engine_,
                 .model_names = options.model_names.empty() ? std::vector{engine_->bundle().name} : options.model_names,
                 .allow_special_in_messages = options.allow_special_in_messages,
                 .started = unix_seconds(),
                 .fingerprint = fingerprint_of(engine_->bundle())},
        http_(options.http, [this](const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
          dispatch(context_, request, reply);
        }) {}

  void start() { http_.start(); }
  int port() const { return http_.port(); }

  std::string url() const {
    const std::string& host = options_.http.host;
    const bool is_ip_v6 = host.find(':') != std::string::npos;
    return is_ip_v6 ? fmt::format("http://[{}]:{}", host, port()) : fmt::format("http://{}:{}", host, port());
  }

  void stop() { http_.stop(options_.drain_time_max); }

 private:
  const std::shared_ptr<Engine> engine_;
  const ServerOptions options_;
  const ApiContext context_;
  HttpServer http_;  // the last: its threads use all above
};

Server::Server(std::shared_ptr<Engine> engine, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(engine), options)) {}
Server::~Server() { stop(); }
void Server::start() { impl_->start(); }
int Server::port() const { return impl_->port(); }
std::string Server::url() const { return impl_->url(); }
void Server::stop() { impl_->stop(); }

void Server::run_until_signal() {
  StopSignal signal;
  signal.wait();
  log::info("stopping: requests in flight may finish; a second signal ends at once");
  stop();
}

}  // namespace pelton
