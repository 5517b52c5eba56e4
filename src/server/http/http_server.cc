#include "server/http/http_server.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "server/http/beast.h"
#include "server/http/connection.h"
#include "server/http/systemd.h"

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
        tcp_(accept_strand_),
        local_(accept_strand_) {}

  void start() {
    use_certificate();
    listen();
    if (tcp_.is_open()) begin_accepting(tcp_, tls_ ? &*tls_ : nullptr);
    if (local_.is_open()) begin_accepting(local_, nullptr);
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
      tcp_.close(ignored);
      local_.close(ignored);
    });
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    for (const auto& connection : connections_) connection->drain();
    const auto is_done = [this] { return connections_.empty() && accepting_count_ == 0; };
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
  void use_certificate() {
    if (options_.certificate_file.has_value() != options_.private_key_file.has_value()) {
      throw Error(ErrorCode::kInvalidArgument, "a certificate and its private key belong together: give both", "tls");
    }
    if (!options_.certificate_file) return;
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
    const auto check = [](const error_code& code, const std::filesystem::path& file) {
      if (!code) return;
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", file.string(), code.message()), "tls");
    };
    error_code code;
    tls_->use_certificate_chain_file(options_.certificate_file->string(), code);
    check(code, *options_.certificate_file);
    tls_->use_private_key_file(options_.private_key_file->string(), asio::ssl::context::pem, code);
    check(code, *options_.private_key_file);
  }

  void listen() {
    if (const auto given = take_activated_socket()) {
      if (given->is_local) {
        local_.assign(asio::local::stream_protocol(), given->descriptor);
      } else {
        tcp_.assign(given->is_ip_v6 ? tcp::v6() : tcp::v4(), given->descriptor);
      }
    } else {
      listen_on_port();
    }
    if (tcp_.is_open()) port_ = tcp_.local_endpoint().port();
    if (options_.unix_path && !local_.is_open()) listen_on_path(*options_.unix_path);
  }

  void listen_on_port() {
    const std::string where = fmt::format("{}:{}", options_.host, options_.port);
    error_code code;
    const auto endpoints = tcp::resolver(io_).resolve(options_.host, std::to_string(options_.port), code);
    if (code || endpoints.empty()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("host {}: {}", options_.host, code.message()), "host");
    }
    try {
      const tcp::endpoint endpoint = *endpoints.begin();
      tcp_.open(endpoint.protocol());
      tcp_.set_option(tcp::acceptor::reuse_address(true));
      tcp_.bind(endpoint);
      tcp_.listen();
    } catch (const boost::system::system_error& error) {
      throw Error(ErrorCode::kIo,
                  fmt::format("cannot listen on {}: {}; --port 0 takes any free port", where, error.code().message()));
    }
  }

  // A socket that an earlier run left behind is taken away; anything else that has the name stays, and is an error.
  void listen_on_path(const std::filesystem::path& path) {
    std::error_code ignored;
    if (std::filesystem::is_socket(path, ignored)) std::filesystem::remove(path, ignored);
    try {
      local_.open();
      local_.bind(asio::local::stream_protocol::endpoint(path.string()));
      local_.listen();
    } catch (const boost::system::system_error& error) {
      throw Error(ErrorCode::kIo, fmt::format("cannot listen on {}: {}", path.string(), error.code().message()));
    }
  }

  template <typename Acceptor>
  void begin_accepting(Acceptor& acceptor, asio::ssl::context* tls) {
    {
      const std::lock_guard lock(mutex_);
      ++accepting_count_;
    }
    asio::co_spawn(accept_strand_, accept(acceptor, tls), asio::detached);
  }

  template <typename Acceptor>
  asio::awaitable<void> accept(Acceptor& acceptor, asio::ssl::context* tls) {
    asio::steady_timer pause(accept_strand_);
    while (acceptor.is_open()) {
      error_code code;
      const asio::any_io_executor strand = asio::make_strand(io_);
      auto socket = co_await acceptor.async_accept(strand, into(code));
      if (!acceptor.is_open()) break;
      if (code || connection_count() >= options_.connection_count_max) {
        log::warning(code ? fmt::format("accept: {}", code.message()) : "too many connections: one is turned away");
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(into(code));
        continue;
      }
      if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) {
        socket.set_option(tcp::no_delay(true), code);  // a token is worth a packet
      }
      begin(Channel::Socket(std::move(socket)), tls);
    }
    const std::lock_guard lock(mutex_);
    --accepting_count_;
    changed_.notify_all();
  }

  void begin(Channel::Socket socket, asio::ssl::context* tls) {
    const asio::any_io_executor strand = socket.get_executor();
    const auto connection = std::make_shared<Connection>(std::move(socket), tls, options_, handler_);
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
  std::optional<asio::ssl::context> tls_;
  tcp::acceptor tcp_;
  asio::local::stream_protocol::acceptor local_;
  std::atomic<int> port_ = 0;
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  bool is_stopping_ = false;
  int accepting_count_ = 0;
};

HttpServer::HttpServer(const HttpOptions& options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}
HttpServer::~HttpServer() { stop(Duration::zero()); }
void HttpServer::start() { impl_->start(); }
int HttpServer::port() const { return impl_->port(); }
void HttpServer::stop(Duration drain_time) { impl_->stop(drain_time); }
int64_t HttpServer::connection_count() const { return impl_->connection_count(); }

}  // namespace pelton
