// HTTP/1.1 over TCP, with TLS or without, and Unix sockets: accepts connections, reads whole requests under limits,
// gives each to a handler and writes what it answers: whole or as a stream of events. Knows nothing of models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "server/http/message.h"

namespace pelton {

struct HttpOptions {
  std::string host = "127.0.0.1";                  // an address, or a name of this machine
  int port = 8080;                                 // 0: any free one
  std::vector<std::string> allowed_origins;        // whose pages may read answers in a browser; "*": all. See CORS
  std::optional<std::filesystem::path> unix_path;  // a Unix socket to listen on as well; made anew
  std::optional<std::filesystem::path> certificate_file;  // PEM, with its chain: then TCP speaks TLS, 1.2 or newer
  std::optional<std::filesystem::path> private_key_file;  // PEM; both or none
  int thread_count = 2;  // one reads while the other writes; the cores belong to the engine
  int64_t connection_count_max = 8192;
  size_t header_bytes_max = size_t{32} << 10;
  size_t body_bytes_max = size_t{16} << 20;
  std::string large_body_path;                               // whose bodies alone may be larger; empty: none
  size_t large_body_bytes_max = 0;                           // that of them
  size_t unsent_bytes_max = size_t{1} << 20;                 // of events; a client that is further behind is cut off
  Duration header_time_max = std::chrono::seconds(10);       // first byte → end of the headers
  Duration body_time_max = std::chrono::seconds(60);         // end of the headers → end of the body
  Duration idle_time_max = std::chrono::seconds(75);         // between requests (nginx's default)
  Duration write_stall_time_max = std::chrono::seconds(30);  // one write without progress
  Duration abort_time_max = std::chrono::seconds(5);         // stop → a connection that was cut off has ended

  size_t body_bytes_max_of(std::string_view path) const {
    return !large_body_path.empty() && path == large_body_path ? large_body_bytes_max : body_bytes_max;
  }
};

class HttpServer {
 public:
  // Does not listen yet. `handler` may be called from several threads at once.
  HttpServer(const HttpOptions& options, HttpHandler handler);
  // stop(0).
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Where the process was given a listening socket (systemd's socket activation: LISTEN_FDS, LISTEN_PID), takes that
  // instead of host and port. Errors: kIo (port in use, not permitted), kInvalidArgument (unknown host, certificate or
  // key that can't be used).
  void start();
  // The real port, after start; 0: none (an activated Unix socket).
  int port() const;
  // Accepts nothing more, lets requests in flight (whole ones: a half-sent one is refused at once) finish for up to
  // `drain_time`, abandons the rest, joins the threads.
  // From any thread but a handler's; a second call does nothing.
  void stop(Duration drain_time);
  int64_t connection_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
