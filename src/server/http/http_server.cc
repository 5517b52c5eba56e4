#include "server/http/http_server.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "server/http/beast.h"
#include "server/http/connection.h"

namespace pelton {
namespace {

using asio::ip::tcp;

// Out of file descriptors: connections wait in the kernel's queue for this long before the next try.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, HttpHandler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        io_(options_.thread_count),
        accept_strand_(asio::make_strand(io_)),
        acceptor_(accept_strand_),
        accept_pause_(accept_strand_) {}

  void start() {
    listen();
    asio::co_spawn(accept_strand_, accept(), asio::detached);
    for (int i = 0; i < options_.thread_count; ++i) threads_.emplace_back([this] { io_.run(); });
  }

  int port() const { return port_; }

  int64_t connection_count() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(connections_.size());
  }

  void stop(Duration drain_time) {
    if (threads_.empty()) return;
    asio::post(accept_strand_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      accept_pause_.cancel();
    });
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    for (const auto& connection : connections_) connection->drain();
    const auto is_done = [this] { return connections_.empty() && !is_accepting_; };
    if (!changed_.wait_for(lock, drain_time, is_done)) {
      if (!connections_.empty()) log::warning(fmt::format("{} connections did not end in time", connections_.size()));
      for (const auto& connection : connections_) connection->abort();
      if (!changed_.wait_for(lock, options_.abort_time_max, is_done)) {
        log::error(fmt::format("{} connections hang and are given up", connections_.size()));
        connections_.clear();  // what keeps one alive now dies with io_
      }
    }
    lock.unlock();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void listen() {
    const std::string where = fmt::format("{}:{}", options_.host, options_.port);
    error_code code;
    const auto endpoints = tcp::resolver(io_).resolve(options_.host, std::to_string(options_.port), code);
    if (code || endpoints.empty()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("host {}: {}", options_.host, code.message()), "host");
    }
    try {
      const tcp::endpoint endpoint = *endpoints.begin();
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
      port_ = acceptor_.local_endpoint().port();
    } catch (const boost::system::system_error& error) {
      throw Error(ErrorCode::kIo,
                  fmt::format("cannot listen on {}: {}; --port 0 takes any free port", where, error.code().message()));
    }
  }

  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      error_code code;
      const asio::any_io_executor strand = asio::make_strand(io_);
      tcp::socket socket = co_await acceptor_.async_accept(strand, into(code));
      if (!acceptor_.is_open()) break;
      if (code || connection_count() >= options_.connection_count_max) {
        log::warning(code ? fmt::format("accept: {}", code.message()) : "too many connections: one is turned away");
        accept_pause_.expires_after(kAcceptPause);
        co_await accept_pause_.async_wait(into(code));
        continue;
      }
      socket.set_option(tcp::no_delay(true), code);  // a token is worth a packet
      begin(std::move(socket));
    }
    const std::lock_guard lock(mutex_);
    is_accepting_ = false;
    changed_.notify_all();
  }

  void begin(tcp::socket socket) {
    const asio::any_io_executor strand = socket.get_executor();
    const auto connection = std::make_shared<Connection>(std::move(socket), options_, handler_);
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) return;
      connections_.insert(connection);
    }
    asio::co_spawn(
        strand, [connection] { return connection->run(); },
        [this, connection](const std::exception_ptr& failure) { end(connection, failure); });
  }

  void end(const std::shared_ptr<Connection>& connection, const std::exception_ptr& failure) {
    if (failure) {
      log::error("a connection failed");
      connection->abort();
    }
    const std::lock_guard lock(mutex_);
    connections_.erase(connection);
    changed_.notify_all();
  }

  const HttpOptions options_;
  const HttpHandler handler_;
  asio::io_context io_;
  asio::strand<asio::io_context::executor_type> accept_strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer accept_pause_;
  std::atomic<int> port_ = 0;
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  bool is_stopping_ = false;
  bool is_accepting_ = true;
};

HttpServer::HttpServer(const HttpOptions& options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}
HttpServer::~HttpServer() { stop(Duration::zero()); }
void HttpServer::start() { impl_->start(); }
int HttpServer::port() const { return impl_->port(); }
void HttpServer::stop(Duration drain_time) { impl_->stop(drain_time); }
int64_t HttpServer::connection_count() const { return impl_->connection_count(); }

}  // namespace pelton
