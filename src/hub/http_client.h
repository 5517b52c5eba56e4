// HTTP/1.1 requests over TLS or loopback: one exchange at a time, no redirects, no retries (hub_session.h has them).
//
// Bounds: 64 KiB of header; the body goes in pieces to whoever asked, who bounds it. A server that sends fewer than 4
// KiB in `silence_max` counts as silent, so that one byte now and then keeps nobody waiting for ever. Name resolution
// is the system's and takes the time that it takes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/url.h"

namespace pelton {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpHead {
  int status = 0;
  HttpFields fields;
  std::optional<int64_t> content_length;

  // The first field of that name, whatever the case of its letters; nothing: none, or an empty one.
  std::optional<std::string> field(std::string_view name) const;
};

// Why there is no whole answer. `is_permanent`: another try would end the same way (a certificate that is not trusted).
struct HttpFailure {
  std::string message;  // "connection refused", for the end of a sentence
  bool is_permanent = false;
};

// A proxy that tunnels (CONNECT), as HTTPS_PROXY names it.
struct HttpProxy {
  Url url;
  std::optional<std::string> authorization;  // the value of Proxy-Authorization
};

// Certificates that are trusted: the system's, or those of SSL_CERT_FILE and SSL_CERT_DIR. Made once, shared by
// threads.
class TlsTrust;
std::shared_ptr<TlsTrust> load_tls_trust();

struct HttpOptions {
  std::chrono::seconds silence_max{30};
  std::shared_ptr<TlsTrust> trust;
  // The proxy for an address; empty: none for any.
  std::function<std::optional<HttpProxy>(const Url&)> proxy_for;
  // Set by another thread: what is under way ends within a moment, as a failure. Null: nobody does.
  const std::atomic<bool>* stops = nullptr;
};

// Keeps connections open for the next request to the same place. Not thread-safe; one a thread.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();

  // True: send the body. It may throw, and so may the next; the connection is closed then.
  using TakeHead = std::function<bool(const HttpHead& head)>;
  // True: go on.
  using TakeBody = std::function<bool(std::span<const std::byte> bytes)>;

  // Nothing: the answer came whole, or a callback ended it. Throws only what callbacks throw.
  std::optional<HttpFailure> get(const Url& url, const HttpFields& fields, const TakeHead& take_head,
                                 const TakeBody& take_body);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// The proxy that HTTPS_PROXY, https_proxy, ALL_PROXY or all_proxy name for a secure address that NO_PROXY does not
// except. Plain http (loopback, HF_ENDPOINT) always goes straight. Error kUnsupported: a proxy of another kind than
// http.
std::optional<HttpProxy> proxy_of_environment(
    const Url& url, const std::function<std::optional<std::string>(const char* variable)>& variable);

}  // namespace pelton
