// One client's connection: requests in, answers out, one after the other, on one strand.
//
// A client that closes its side while it waits for an answer counts as gone, and its request is abandoned: from here,
// one that only says "I send no more" (shutdown(SHUT_WR), as `nc -N` does) looks the same as one that was ended, and
// computing for nobody costs more than refusing a rarity. Clients keep their side open until they have the answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/http/beast.h"
#include "server/http/channel.h"
#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/http/message.h"

namespace pelton {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `socket`'s executor is a strand of its own. `tls`: null for plain bytes. All but the socket outlive the connection.
  Connection(Channel::Socket socket, asio::ssl::context* tls, const HttpOptions& options, const HttpHandler& handler);

  // Until the client or an error ends it. Throws nothing but std::bad_alloc.
  asio::awaitable<void> run();

  // Any thread. Ends after the answer to a request that is whole by now; one that is not gets status 503 at once.
  void drain();
  // Any thread. Abandons what is in flight and ends.
  void abort();

 private:
  using Parser = Channel::Parser;
  struct Incoming {
    HttpRequest request;
    Exchange::Options reply;
  };

  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> wait_for_request();
  asio::awaitable<bool> read_request(Incoming& incoming);
  asio::awaitable<void> read_body(Parser& parser, size_t bytes_max, error_code& code);
  asio::awaitable<void> answer(Incoming& incoming, const HttpHandler& handler);
  asio::awaitable<void> watch(std::shared_ptr<Exchange> exchange);
  asio::awaitable<void> stop_watching();
  asio::awaitable<void> write(std::string bytes, error_code& code);
  asio::awaitable<void> wait_for_change();
  asio::awaitable<void> linger();

  void exchange_changed();
  void arm(Duration time_max);
  void disarm();

  Channel channel_;
  const HttpOptions& options_;
  const HttpHandler& handler_;
  boost::beast::flat_buffer buffer_;  // read, not yet parsed
  asio::steady_timer deadline_;
  uint64_t deadline_number_ = 0;
  bool is_timed_out_ = false;
  asio::steady_timer change_;  // never expires; cancelled to wake the coroutine
  std::shared_ptr<Exchange> exchange_;
  bool is_watching_ = false;
  bool is_watching_unwanted_ = false;
  bool is_draining_ = false;
  bool is_reusable_ = true;  // for a further request
  bool has_unread_ = false;  // refused a request before its end
};

}  // namespace pelton
