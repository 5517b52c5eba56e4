#include "server/http/exchange.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace pelton {

Exchange::Exchange(asio::any_io_executor strand, Options options, std::function<void()> on_change)
    : strand_(std::move(strand)), options_(std::move(options)), on_change_(std::move(on_change)) {}

void Exchange::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (!strand_) return;
  asio::post(*strand_, [self = shared_from_this(), work = std::move(work)] {
    if (self->state_ == State::kWaiting || self->state_ == State::kStreaming) work();
  });
}

void Exchange::respond(HttpResponse response) {
  if (state_ != State::kWaiting) return;
  write_head(response.status, response.content_type, fmt::format("Content-Length: {}\r\n", response.body.size()));
  for (const auto& [name, value] : response.headers) unsent_ += fmt::format("{}: {}\r\n", name, value);
  unsent_ += "\r\n";
  if (options_.has_body) unsent_ += response.body;
  set(State::kComplete);
}

void Exchange::begin_events() {
  if (state_ != State::kWaiting) return;
  if (!options_.has_chunks) options_.keeps_alive = false;
  write_head(200, "text/event-stream; charset=utf-8", options_.has_chunks ? "Transfer-Encoding: chunked\r\n" : "");
  // Without these, proxies hold events back (nginx's buffering) or replay them.
  unsent_ += "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n\r\n";
  set(State::kStreaming);
}

void Exchange::send_event(std::string_view name, std::string_view data) {
  if (state_ != State::kStreaming) return;
  DCHECK(data.find('\n') == std::string_view::npos);
  write_chunk(name.empty() ? fmt::format("data: {}\n\n", data) : fmt::format("event: {}\ndata: {}\n\n", name, data));
  if (unsent_.size() > options_.unsent_bytes_max) {
    abandon();
    return;
  }
  on_change_();
}

void Exchange::end_events() {
  if (state_ != State::kStreaming) return;
  if (options_.has_chunks) unsent_ += "0\r\n\r\n";
  set(State::kComplete);
}

void Exchange::on_abandoned(std::function<void()> callback) {
  if (state_ == State::kAbandoned) {
    callback();
  } else if (state_ != State::kComplete) {
    on_abandoned_ = std::move(callback);
  }
}

std::string Exchange::take_unsent() {
  taken_bytes_ += unsent_.size();
  return std::exchange(unsent_, {});
}

void Exchange::abandon() {
  if (state_ == State::kAbandoned || state_ == State::kComplete) return;
  const std::function<void()> callback = std::move(on_abandoned_);
  unsent_.clear();
  set(State::kAbandoned);
  if (callback) callback();
}

void Exchange::set_delivered() {
  CHECK(state_ == State::kComplete);
  if (on_delivered_) on_delivered_(SteadyClock().now() - completed_);
}

void Exchange::close() {
  abandon();
  on_change_ = nullptr;
  on_delivered_ = nullptr;
  const std::lock_guard lock(mutex_);
  strand_.reset();
}

void Exchange::write_head(int status, std::string_view content_type, std::string_view length_header) {
  status_ = status;
  const boost::beast::string_view reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  fmt::format_to(std::back_inserter(unsent_),
                 "HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\nContent-Type: {}\r\n{}x-request-id: {}\r\n",
                 status, std::string_view(reason.data(), reason.size()), fmt::gmtime(std::time(nullptr)), content_type,
                 length_header, options_.request_id);
  unsent_ += options_.headers;
  if (!options_.keeps_alive) unsent_ += "Connection: close\r\n";
  // An HTTP/1.0 client has to be told.
  if (options_.keeps_alive && !options_.has_chunks) unsent_ += "Connection: keep-alive\r\n";
}

void Exchange::write_chunk(std::string_view data) {
  if (options_.has_chunks) {
    fmt::format_to(std::back_inserter(unsent_), "{:x}\r\n{}\r\n", data.size(), data);
  } else {
    unsent_ += data;
  }
}

void Exchange::set(State state) {
  state_ = state;
  if (state == State::kComplete) {
    completed_ = SteadyClock().now();
    on_abandoned_ = nullptr;  // and with it what the route holds for this request
  }
  on_change_();
}

}  // namespace pelton
