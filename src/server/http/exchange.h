// One request's answer on its way out: the Reply that routes see, and the bytes that the connection writes.
//
// Lives on the connection's strand, except `post` and the destructor: an engine may hold a Reply for longer than the
// server lives, so after close() nothing of Asio is left in it.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/beast.h"
#include "server/http/message.h"

namespace pelton {

class Exchange final : public Reply, public std::enable_shared_from_this<Exchange> {
 public:
  struct Options {
    std::string request_id;
    std::string headers;      // further lines, each with its line break
    bool has_body = true;     // false for HEAD
    bool has_chunks = true;   // false for HTTP/1.0: a stream ends with the connection
    bool keeps_alive = true;  // the connection may be used again
    size_t unsent_bytes_max = 0;
  };
  // `on_change` is called on the strand whenever there is something new to write or the exchange is over.
  Exchange(asio::any_io_executor strand, Options options, std::function<void()> on_change);

  void post(std::function<void()> work) override;
  void respond(HttpResponse response) override;
  void begin_events() override;
  void send_event(std::string_view name, std::string_view data) override;
  void end_events() override;
  void on_abandoned(std::function<void()> callback) override;
  void on_delivered(std::function<void(Duration)> callback) override { on_delivered_ = std::move(callback); }

  // For the connection.
  std::string take_unsent();
  bool has_unsent() const { return !unsent_.empty(); }
  bool is_complete() const { return state_ == State::kComplete; }    // nothing more will come
  bool is_abandoned() const { return state_ == State::kAbandoned; }  // nothing more is wanted
  bool keeps_alive() const { return options_.keeps_alive; }
  void forbid_keep_alive() { options_.keeps_alive = false; }  // has an effect until the answer begins
  void abandon();
  void set_delivered();  // all of a complete answer is written
  void close();
  int status() const { return status_; }  // 499 (nginx's "client closed request") until an answer begins
  size_t taken_bytes() const { return taken_bytes_; }

 private:
  enum class State { kWaiting, kStreaming, kComplete, kAbandoned };

  void write_head(int status, std::string_view content_type, std::string_view length_header);
  void write_chunk(std::string_view data);
  void set(State state);

  std::mutex mutex_;  // guards strand_
  std::optional<asio::any_io_executor> strand_;
  Options options_;
  std::function<void()> on_change_;
  std::function<void()> on_abandoned_;
  std::function<void(Duration)> on_delivered_;
  TimePoint completed_;
  State state_ = State::kWaiting;
  std::string unsent_;
  int status_ = 499;
  size_t taken_bytes_ = 0;
};

}  // namespace pelton
