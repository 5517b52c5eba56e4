#include "server/http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "server/http/http_error.h"
#include "server/http/request_head.h"

namespace pelton {
namespace {

namespace http = boost::beast::http;

// Further requests that are read while one is being answered, so that the end of the connection is seen.
constexpr size_t kPipelinedBytesMax = size_t{64} << 10;
constexpr size_t kReadBytes = 4096;
// How long, and how much, a refused client may go on sending before the connection is cut.
constexpr Duration kLingerTimeMax = std::chrono::seconds(2);
constexpr size_t kLingerBytesMax = size_t{64} << 20;

// Absent: the client is gone, there is nobody to tell.
std::optional<HttpError> refusal_of(error_code code, bool is_timed_out, bool is_draining, const HttpOptions& options,
                                    size_t body_bytes_max) {
  if (is_draining && code == http::error::partial_message) {
    return HttpError(Error(ErrorCode::kUnavailable, "the server is stopping"));
  }
  if (is_timed_out) return HttpError(408, "request_timeout", "the request did not arrive in time");
  if (code == http::error::header_limit || code == http::error::buffer_overflow) {
    return HttpError(431, "headers_too_large",
                     fmt::format("the request's headers are longer than {} bytes", options.header_bytes_max));
  }
  if (code == http::error::body_limit) {
    return HttpError(413, "request_too_large",
                     fmt::format("the request's body is longer than {} bytes", body_bytes_max));
  }
  if (code == http::error::end_of_stream) return std::nullopt;
  if (code.category() != http::make_error_code(http::error::bad_field).category()) return std::nullopt;
  return HttpError(400, "bad_request", fmt::format("not a well-formed HTTP request: {}", code.message()));
}

void log_access(const std::string& peer, const HttpRequest& request, const Exchange& exchange, Duration time) {
  log::info(fmt::format("{} {} {:?} {} {} B {:.1f} ms {}", peer, request.method, request.path.substr(0, 200),
                        exchange.status(), exchange.taken_bytes(), milliseconds(time), request.id));
}

// Lets a page of that origin read the answer. Never with a wildcard and credentials together: keys travel in headers.
std::string cross_origin_headers(const std::string& origin, const std::vector<std::string>& allowed) {
  if (origin.empty() || allowed.empty()) return {};
  const auto is_allowed = [&](const std::string& name) { return name == "*" || name == origin; };
  if (std::none_of(allowed.begin(), allowed.end(), is_allowed)) return "Vary: Origin\r\n";
  return fmt::format(
      "Vary: Origin\r\nAccess-Control-Allow-Origin: {}\r\nAccess-Control-Expose-Headers: x-request-id, Retry-After\r\n",
      origin);
}

// Where Anthropic's clients look for the request's id.
std::string anthropic_headers(const HttpRequest& request) {
  if (error_form_of(request.path) != ErrorForm::kAnthropic) return {};
  return fmt::format("request-id: {}\r\n", request.id);
}

}  // namespace

Connection::Connection(Channel::Socket socket, asio::ssl::context* tls, const HttpOptions& options,
                       const HttpHandler& handler)
    : channel_(std::move(socket), tls),
      options_(options),
      handler_(handler),
      deadline_(channel_.executor()),
      change_(channel_.executor(), asio::steady_timer::time_point::max()) {}

asio::awaitable<void> Connection::run() {
  if (!co_await shake_hands()) co_return channel_.close();
  while (co_await wait_for_request()) {
    Incoming incoming;
    if (!co_await read_request(incoming)) break;
    co_await answer(incoming, handler_);
    if (!is_reusable_ || is_draining_) break;
  }
  co_await linger();
  channel_.close();
}

asio::awaitable<bool> Connection::shake_hands() {
  error_code code;
  arm(options_.header_time_max);
  co_await channel_.shake_hands(code);
  disarm();
  if (code) log::info(fmt::format("{} did not begin TLS: {}", channel_.peer(), code.message()));
  co_return !code;
}

void Connection::drain() {
  asio::post(channel_.executor(), [self = shared_from_this()] {
    self->is_draining_ = true;
    if (self->exchange_) {
      self->exchange_->forbid_keep_alive();
    } else if (!self->has_unread_) {
      // What has arrived can still be read, and may complete a request; then, instead of waiting, comes the end.
      self->channel_.end_reading();
    }
  });
}

void Connection::abort() {
  asio::dispatch(channel_.executor(), [self = shared_from_this()] {
    self->is_draining_ = true;
    if (self->exchange_) self->exchange_->close();
    self->channel_.close();
  });
}

// True: the first bytes of a request are there.
asio::awaitable<bool> Connection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  if (is_draining_) co_return false;
  error_code code;
  arm(options_.idle_time_max);
  buffer_.commit(co_await channel_.read_some(buffer_.prepare(kReadBytes), code));
  disarm();
  co_return !code;
}

// False: there is no request, and the client has been told why.
asio::awaitable<bool> Connection::read_request(Incoming& incoming) {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(options_.header_bytes_max));
  // Whose body it is only the header says; read_body() has the path's own limit.
  size_t body_bytes_max = std::max(options_.body_bytes_max, options_.large_body_bytes_max);
  parser.body_limit(body_bytes_max);
  std::optional<HttpError> refusal;
  bool is_gone = false;
  error_code code;

  arm(options_.header_time_max);
  co_await channel_.read_header(buffer_, parser, code);
  disarm();
  const HttpHeader& header = parser.get().base();
  incoming.request.id = request_id_of(header);
  if (!code) {
    try {
      check_head(header);
      incoming.request.method = std::string(header.method_string());
      incoming.request.content_type = std::string(header[http::field::content_type]);
      incoming.request.origin = std::string(header[http::field::origin]);
      incoming.request.credential = credential_of(header);
      incoming.request.api_version = std::string(header["anthropic-version"]);
      const std::string_view target(header.target().data(), header.target().size());
      incoming.request.path = path_of_target(target);
      incoming.request.query = query_of_target(target);
    } catch (const HttpError& error) {
      refusal = error;
    }
    body_bytes_max = options_.body_bytes_max_of(incoming.request.path);
    if (!refusal) co_await read_body(parser, body_bytes_max, code);
  }
  if (code) {
    refusal = refusal_of(code, is_timed_out_, is_draining_, options_, body_bytes_max);
    is_gone = !refusal.has_value();
  }

  incoming.reply = {.request_id = incoming.request.id,
                    .headers = cross_origin_headers(incoming.request.origin, options_.allowed_origins) +
                               anthropic_headers(incoming.request),
                    .has_body = incoming.request.method != "HEAD",
                    .has_chunks = header.version() >= 11,
                    .keeps_alive = parser.is_header_done() && parser.keep_alive() && !is_draining_,
                    .unsent_bytes_max = options_.unsent_bytes_max};
  if (is_gone) co_return false;
  if (!refusal) {
    incoming.request.body = std::move(parser.get().body());
    incoming.request.received = SteadyClock().now();
    co_return true;
  }
  // Where this request ends is not known: nothing behind it can be read as another one.
  has_unread_ = true;
  incoming.reply.has_chunks = true;
  incoming.reply.keeps_alive = false;
  const HttpHandler refuse = [&refusal, form = error_form_of(incoming.request.path)](
                                 const HttpRequest&, const std::shared_ptr<Reply>& reply) {
    reply->respond(refusal->response(form));
  };
  co_await answer(incoming, refuse);
  co_return false;
}

asio::awaitable<void> Connection::read_body(Parser& parser, size_t bytes_max, error_code& code) {
  if (parser.is_done()) co_return;
  parser.body_limit(bytes_max);
  arm(options_.body_time_max);
  const bool is_waiting = parser.get().count(http::field::expect) > 0 && buffer_.size() == 0;
  const auto length = parser.content_length();
  if (length && *length > bytes_max) code = http::error::body_limit;
  if (!code && is_waiting) co_await write("HTTP/1.1 100 Continue\r\n\r\n", code);
  if (!code) co_await channel_.read_rest(buffer_, parser, code);
  disarm();
}

asio::awaitable<void> Connection::answer(Incoming& incoming, const HttpHandler& handler) {
  const TimePoint begin = SteadyClock().now();
  const HttpRequest for_log{
      .method = incoming.request.method, .path = incoming.request.path, .id = incoming.request.id};
  const auto exchange = std::make_shared<Exchange>(channel_.executor(), incoming.reply, [this] { exchange_changed(); });
  exchange_ = exchange;
  is_watching_ = !has_unread_ && !is_draining_;  // draining: our own end of reading would look like the client's
  is_watching_unwanted_ = false;
  if (is_watching_) {
    asio::co_spawn(
        channel_.executor(), [self = shared_from_this(), exchange] { return self->watch(exchange); }, asio::detached);
  }
  handler(std::move(incoming.request), exchange);

  error_code code;
  while (!code && !exchange->is_abandoned()) {
    if (exchange->has_unsent()) {
      co_await write(exchange->take_unsent(), code);
    } else if (exchange->is_complete()) {
      exchange->set_delivered();
      break;
    } else {
      co_await wait_for_change();
    }
  }
  is_reusable_ = !code && exchange->is_complete() && exchange->keeps_alive() && is_reusable_;
  exchange->close();
  exchange_ = nullptr;
  log_access(channel_.peer(), for_log, *exchange, SteadyClock().now() - begin);
  co_await stop_watching();
}

void Connection::exchange_changed() {
  change_.cancel();
  // A write that waits for a client that does not read.
  if (exchange_ && exchange_->is_abandoned()) channel_.cancel();
}

// Reads while a request is being answered: to see the client leave, and to keep what it sends ahead.
asio::awaitable<void> Connection::watch(std::shared_ptr<Exchange> exchange) {
  error_code code;
  while (!code && !is_watching_unwanted_ && buffer_.size() < kPipelinedBytesMax) {
    buffer_.commit(co_await channel_.read_some(buffer_.prepare(kReadBytes), code));
  }
  if (code && !is_watching_unwanted_) {
    exchange->abandon();
    is_reusable_ = false;
  }
  is_watching_ = false;
  change_.cancel();
}

asio::awaitable<void> Connection::stop_watching() {
  is_watching_unwanted_ = true;
  if (is_watching_) channel_.cancel();
  while (is_watching_) co_await wait_for_change();
}

asio::awaitable<void> Connection::write(std::string bytes, error_code& code) {
  asio::const_buffer rest = asio::buffer(bytes);
  while (!code && rest.size() > 0) {
    arm(options_.write_stall_time_max);
    rest += co_await channel_.write_some(rest, code);
  }
  disarm();
}

asio::awaitable<void> Connection::wait_for_change() {
  error_code ignored;  // cancelling is how it ends
  co_await change_.async_wait(into(ignored));
}

// Closing with unread bytes makes TCP reset the connection, and the client would lose our reason: read on for a while.
asio::awaitable<void> Connection::linger() {
  error_code code;
  arm(kLingerTimeMax);
  co_await channel_.end_writing();
  buffer_.clear();
  size_t discarded_bytes = 0;
  while (has_unread_ && !code && !is_timed_out_ && discarded_bytes < kLingerBytesMax) {
    discarded_bytes += co_await channel_.read_some(buffer_.prepare(size_t{64} << 10), code);
  }
  disarm();
}

// The deadline of whatever the connection is doing: cancels it when it comes.
void Connection::arm(Duration time_max) {
  is_timed_out_ = false;
  const uint64_t number = ++deadline_number_;
  deadline_.expires_after(time_max);
  deadline_.async_wait([self = shared_from_this(), number](error_code code) {
    if (code || number != self->deadline_number_) return;
    self->is_timed_out_ = true;
    self->channel_.cancel();
  });
}

void Connection::disarm() {
  ++deadline_number_;
  deadline_.cancel();
}

}  // namespace pelton
