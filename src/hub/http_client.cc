#include "hub/http_client.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "base/version.h"

namespace pelton {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

class TlsTrust {
 public:
  TlsTrust() {
    context.set_default_verify_paths();
    context.set_verify_mode(asio::ssl::verify_peer);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  }
  asio::ssl::context context{asio::ssl::context::tls_client};
};

std::shared_ptr<TlsTrust> load_tls_trust() { return std::make_shared<TlsTrust>(); }

std::optional<std::string> HttpHead::field(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (beast::iequals(key, {name.data(), name.size()}) && !value.empty()) return value;
  }
  return std::nullopt;
}

namespace {

constexpr uint32_t kHeaderBytesMax = 64 << 10;
constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kLivelyBytesMin = 4 << 10;   // what a server that is not silent sends in silence_max
constexpr int64_t kDrainBytesMax = 64 << 10;  // an unwanted body of this size is cheaper to read than a new connection
constexpr size_t kConnectionsMax = 3;         // the hub, where its files are, and one more
constexpr int kInterimAnswersMax = 5;         // 100, 103
constexpr std::chrono::milliseconds kStopCheck{100};

using PlainStream = beast::tcp_stream;
using SecureStream = beast::ssl_stream<beast::tcp_stream>;

bool is_ip_address(const std::string& host) {
  error_code code;
  asio::ip::make_address(host, code);
  return !code;
}

HttpFailure failure_of(const error_code& code, std::chrono::seconds silence_max) {
  if (code == beast::error::timeout) {
    return {.message = fmt::format("the server sent next to nothing for {} s", silence_max.count())};
  }
  if (code == http::error::end_of_stream || code == http::error::partial_message ||
      code == asio::ssl::error::stream_truncated || code == asio::error::eof) {
    return {.message = "the server ended the connection too early"};
  }
  const bool is_bad_answer = code.category() == http::make_error_code(http::error::bad_version).category();
  return {.message = is_bad_answer ? fmt::format("the server's answer is not HTTP as it should be ({})", code.message())
                                   : code.message()};
}

}  // namespace

class HttpClient::Implementation {
 public:
  explicit Implementation(HttpOptions options) : options_(std::move(options)) {}

  std::optional<HttpFailure> get(const Url& url, const HttpFields& fields, const TakeHead& take_head,
                                 const TakeBody& take_body) {
    for (;;) {
      Connection connection = take_connection(url);
      const bool is_reused = connection.is_open();
      if (!is_reused) {
        if (auto failure = open(url, connection)) return failure;
      }
      bool has_head = false;
      const auto seen_head = [&](const HttpHead& head) {
        has_head = true;
        return take_head(head);
      };
      bool is_reusable = false;
      auto failure = connection.secure
                         ? exchange(*connection.secure, connection, url, fields, seen_head, take_body, is_reusable)
                         : exchange(*connection.plain, connection, url, fields, seen_head, take_body, is_reusable);
      if (is_reusable) keep(std::move(connection));
      // The server may have closed an idle connection just now; nothing of the answer was seen, so ask on a new one.
      if (failure && is_reused && !has_head) continue;
      return failure;
    }
  }

 private:
  struct Connection {
    Url origin;
    std::unique_ptr<PlainStream> plain;
    std::unique_ptr<SecureStream> secure;
    std::unique_ptr<beast::flat_buffer> buffer;  // read, not yet parsed

    bool is_open() const { return plain != nullptr || secure != nullptr; }
  };

  // Starts an operation and waits for its end; its deadline is the stream's.
  template <typename Start>
  error_code wait(PlainStream& stream, const Start& start) {
    error_code result = asio::error::operation_aborted;
    start([&result](const error_code& code, const auto&...) { result = code; });
    context_.restart();
    bool is_closed = false;
    while (!context_.stopped()) {
      context_.run_for(kStopCheck);
      if (!is_closed && options_.stops != nullptr && options_.stops->load()) {
        stream.close();  // the operation ends with an error
        is_closed = true;
      }
    }
    return result;
  }

  Connection take_connection(const Url& url) {
    for (auto connection = connections_.begin(); connection != connections_.end(); ++connection) {
      if (!connection->origin.has_origin_of(url)) continue;
      Connection taken = std::move(*connection);
      connections_.erase(connection);
      return taken;
    }
    Connection fresh;
    fresh.origin = url;
    return fresh;
  }

  void keep(Connection connection) {
    if (connections_.size() >= kConnectionsMax) connections_.erase(connections_.begin());
    connections_.push_back(std::move(connection));
  }

  std::optional<HttpFailure> open(const Url& url, Connection& connection) {
    const auto proxy = options_.proxy_for ? options_.proxy_for(url) : std::nullopt;
    const Url& peer = proxy ? proxy->url : url;
    asio::ip::tcp::resolver resolver(context_);
    error_code code;
    const auto addresses = resolver.resolve(peer.host, std::to_string(peer.port), code);
    if (code)
      return HttpFailure{.message = fmt::format("the name {} cannot be resolved: {}", peer.host, code.message())};
    auto plain = std::make_unique<PlainStream>(context_);
    plain->expires_after(options_.silence_max);
    code = wait(*plain, [&](auto done) { plain->async_connect(addresses, std::move(done)); });
    if (code) {
      const std::string why = code == beast::error::timeout
                                  ? fmt::format("no answer in {} s", options_.silence_max.count())
                                  : code.message();
      return HttpFailure{.message = fmt::format("no connection to {}: {}", authority_of(peer), why)};
    }
    error_code ignored;
    plain->socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if (proxy) {
      if (auto failure = tunnel(*plain, *proxy, url)) return failure;
    }
    connection.buffer = std::make_unique<beast::flat_buffer>();
    if (url.is_secure) return secure(std::move(*plain), url, connection);
    connection.plain = std::move(plain);
    return std::nullopt;
  }

  std::optional<HttpFailure> tunnel(PlainStream& stream, const HttpProxy& proxy, const Url& url) {
    const std::string host = url.host.find(':') == std::string::npos ? url.host : fmt::format("[{}]", url.host);
    const std::string authority = fmt::format("{}:{}", host, url.port);
    http::request<http::empty_body> request(http::verb::connect, authority, 11);
    request.set(http::field::host, authority);
    if (proxy.authorization) request.set(http::field::proxy_authorization, *proxy.authorization);
    stream.expires_after(options_.silence_max);
    error_code code = wait(stream, [&](auto done) { http::async_write(stream, request, std::move(done)); });
    http::response_parser<http::empty_body> parser;
    parser.header_limit(kHeaderBytesMax);
    parser.skip(true);  // what follows is the tunnel
    beast::flat_buffer buffer;
    if (!code)
      code = wait(stream, [&](auto done) { http::async_read_header(stream, buffer, parser, std::move(done)); });
    const std::string name = authority_of(proxy.url);
    if (code) return HttpFailure{.message = fmt::format("the proxy {} gave no answer: {}", name, code.message())};
    const unsigned status = parser.get().result_int();
    if (status / 100 == 2) return std::nullopt;
    return HttpFailure{.message = fmt::format("the proxy {} refused with status {}", name, status),
                       .is_permanent = status / 100 == 4};
  }

  std::optional<HttpFailure> secure(PlainStream plain, const Url& url, Connection& connection) {
    if (options_.trust == nullptr) options_.trust = load_tls_trust();
    auto stream = std::make_unique<SecureStream>(std::move(plain), options_.trust->context);
    if (!is_ip_address(url.host)) SSL_set_tlsext_host_name(stream->native_handle(), url.host.c_str());
    stream->set_verify_callback(asio::ssl::host_name_verification(url.host));
    beast::get_lowest_layer(*stream).expires_after(options_.silence_max);
    const error_code code = wait(beast::get_lowest_layer(*stream), [&](auto done) {
      stream->async_handshake(asio::ssl::stream_base::client, std::move(done));
    });
    if (!code) {
      connection.secure = std::move(stream);
      return std::nullopt;
    }
    const long verified = SSL_get_verify_result(stream->native_handle());
    const bool is_untrusted =
        verified != X509_V_OK || code.message().find("certificate verify failed") != std::string::npos;
    if (!is_untrusted) {
      return HttpFailure{.message = fmt::format("no TLS with {}: {}", authority_of(url),
                                                failure_of(code, options_.silence_max).message)};
    }
    const char* why = verified == X509_V_OK ? "it is for another host" : X509_verify_cert_error_string(verified);
    return HttpFailure{.message = fmt::format("the certificate of {} is not trusted: {} (SSL_CERT_FILE names a file of "
                                              "certificates to trust instead of the system's)",
                                              authority_of(url), why),
                       .is_permanent = true};
  }

  template <typename Stream>
  std::optional<HttpFailure> exchange(Stream& stream, Connection& connection, const Url& url, const HttpFields& fields,
                                      const TakeHead& take_head, const TakeBody& take_body, bool& is_reusable) {
    http::request<http::empty_body> request(http::verb::get, url.target, 11);
    request.set(http::field::host, authority_of(url));
    request.set(http::field::user_agent, fmt::format("pelton/{}", kVersion));
    request.set(http::field::accept_encoding, "identity");  // sizes and ranges are of the file itself
    for (const auto& [name, value] : fields) request.set(name, value);
    beast::get_lowest_layer(stream).expires_after(options_.silence_max);
    error_code code =
        wait(beast::get_lowest_layer(stream), [&](auto done) { http::async_write(stream, request, std::move(done)); });
    if (code) return failure_of(code, options_.silence_max);

    std::optional<http::response_parser<http::buffer_body>> parser;
    for (int i = 0; i == 0 || (parser->get().result_int() / 100 == 1 && i < kInterimAnswersMax); ++i) {
      parser.emplace();
      parser->header_limit(kHeaderBytesMax);
      parser->body_limit(boost::none);  // whoever takes it bounds it
      beast::get_lowest_layer(stream).expires_after(options_.silence_max);
      code = wait(beast::get_lowest_layer(stream),
                  [&](auto done) { http::async_read_header(stream, *connection.buffer, *parser, std::move(done)); });
      if (code) return failure_of(code, options_.silence_max);
    }

    const HttpHead head = head_of(*parser);
    bool is_wanted = take_head(head);
    const bool is_drained = !is_wanted && head.content_length && *head.content_length <= kDrainBytesMax;
    if (!is_wanted && !is_drained) return std::nullopt;
    if (auto failure = read_body(
            stream, connection, *parser, is_wanted ? take_body : [](auto) { return true; })) {
      return is_wanted ? failure : std::nullopt;
    }
    is_reusable = parser->is_done() && parser->keep_alive();
    return std::nullopt;
  }

  template <typename Stream>
  std::optional<HttpFailure> read_body(Stream& stream, Connection& connection,
                                       http::response_parser<http::buffer_body>& parser, const TakeBody& take_body) {
    using Clock = std::chrono::steady_clock;
    if (piece_.empty()) piece_.resize(kPieceBytes);
    Clock::time_point deadline = Clock::now() + options_.silence_max;
    size_t lively_bytes = 0;
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece_.data();
      body.size = piece_.size();
      body.more = true;
      beast::get_lowest_layer(stream).expires_at(deadline);
      const error_code code = wait(beast::get_lowest_layer(stream), [&](auto done) {
        http::async_read_some(stream, *connection.buffer, parser, std::move(done));
      });
      const size_t count = piece_.size() - body.size;
      if (count > 0 && !take_body(std::span(piece_).first(count))) return std::nullopt;
      if (code && code != http::error::need_buffer) return failure_of(code, options_.silence_max);
      lively_bytes += count;
      if (lively_bytes >= kLivelyBytesMin) {
        lively_bytes = 0;
        deadline = Clock::now() + options_.silence_max;
      }
    }
    return std::nullopt;
  }

  static HttpHead head_of(const http::response_parser<http::buffer_body>& parser) {
    HttpHead head{.status = static_cast<int>(parser.get().result_int())};
    for (const auto& field : parser.get()) {
      head.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    constexpr uint64_t kLengthMax = uint64_t{1} << 62;
    if (parser.content_length() && *parser.content_length() <= kLengthMax) {
      head.content_length = static_cast<int64_t>(*parser.content_length());
    }
    return head;
  }

  HttpOptions options_;
  asio::io_context context_{1};
  std::vector<std::byte> piece_;
  std::vector<Connection> connections_;  // idle; the context outlives them
};

HttpClient::HttpClient(HttpOptions options) : implementation_(std::make_unique<Implementation>(std::move(options))) {}

HttpClient::~HttpClient() = default;

std::optional<HttpFailure> HttpClient::get(const Url& url, const HttpFields& fields, const TakeHead& take_head,
                                           const TakeBody& take_body) {
  return implementation_->get(url, fields, take_head, take_body);
}

}  // namespace pelton
