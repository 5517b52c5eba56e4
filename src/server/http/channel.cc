#include "server/http/channel.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <utility>

namespace pelton {
namespace {

namespace http = boost::beast::http;

std::string name_of(const Channel::Socket& socket) {
  error_code code;
  const auto endpoint = socket.remote_endpoint(code);
  if (code) return "?";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const sockaddr* address = endpoint.data();
  if (address->sa_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &in->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(in->sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(address);
    ::inet_ntop(AF_INET6, &in->sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(in->sin6_port));
  }
  return "unix";
}

}  // namespace

Channel::Channel(Socket socket, asio::ssl::context* tls) : peer_(name_of(socket)) {
  if (tls != nullptr) {
    secure_.emplace(std::move(socket), *tls);
  } else {
    plain_.emplace(std::move(socket));
  }
}

asio::awaitable<void> Channel::shake_hands(error_code& code) {
  if (secure_) co_await secure_->async_handshake(asio::ssl::stream_base::server, into(code));
}

asio::awaitable<size_t> Channel::read_some(asio::mutable_buffer buffer, error_code& code) {
  return with([&](auto& layer) { return layer.async_read_some(buffer, into(code)); });
}

asio::awaitable<size_t> Channel::write_some(asio::const_buffer buffer, error_code& code) {
  return with([&](auto& layer) { return layer.async_write_some(buffer, into(code)); });
}

asio::awaitable<void> Channel::read_header(boost::beast::flat_buffer& buffer, Parser& parser, error_code& code) {
  if (secure_) {
    co_await http::async_read_header(*secure_, buffer, parser, into(code));
  } else {
    co_await http::async_read_header(*plain_, buffer, parser, into(code));
  }
}

asio::awaitable<void> Channel::read_rest(boost::beast::flat_buffer& buffer, Parser& parser, error_code& code) {
  if (secure_) {
    co_await http::async_read(*secure_, buffer, parser, into(code));
  } else {
    co_await http::async_read(*plain_, buffer, parser, into(code));
  }
}

asio::awaitable<void> Channel::end_writing() {
  error_code ignored;
  if (secure_) co_await secure_->async_shutdown(into(ignored));
  socket().shutdown(Socket::shutdown_send, ignored);
}

void Channel::cancel() {
  error_code ignored;
  socket().cancel(ignored);
}

void Channel::end_reading() {
  error_code ignored;
  socket().shutdown(Socket::shutdown_receive, ignored);
}

void Channel::close() {
  error_code ignored;
  socket().shutdown(Socket::shutdown_both, ignored);
  socket().close(ignored);
}

}  // namespace pelton
