// The bytes to and from one client: TCP or a Unix socket, plain or by TLS. On one strand; one read and one write at a
// time.
#pragma once

#include <optional>
#include <string>

#include "server/http/beast.h"

namespace pelton {

class Channel {
 public:
  using Socket = asio::generic::stream_protocol::socket;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  // `tls`: null for plain bytes; outlives this.
  Channel(Socket socket, asio::ssl::context* tls);

  // Before anything else; nothing where there is no TLS.
  asio::awaitable<void> shake_hands(error_code& code);
  asio::awaitable<size_t> read_some(asio::mutable_buffer buffer, error_code& code);
  asio::awaitable<void> read_header(boost::beast::flat_buffer& buffer, Parser& parser, error_code& code);
  asio::awaitable<void> read_rest(boost::beast::flat_buffer& buffer, Parser& parser, error_code& code);
  asio::awaitable<size_t> write_some(asio::const_buffer buffer, error_code& code);
  // Says that nothing more will come. TLS tells its peer, so that the end does not look cut off.
  asio::awaitable<void> end_writing();

  // What waits ends as cancelled.
  void cancel();
  void end_reading();
  void close();

  asio::any_io_executor executor() { return socket().get_executor(); }
  const std::string& peer() const { return peer_; }  // "127.0.0.1:50312", "unix"

 private:
  template <typename Work>
  auto with(const Work& work) {
    return secure_ ? work(*secure_) : work(*plain_);
  }
  Socket& socket() { return secure_ ? secure_->next_layer() : *plain_; }

  std::optional<Socket> plain_;
  std::optional<asio::ssl::stream<Socket>> secure_;
  std::string peer_;
};

}  // namespace pelton
