// Requests to a hub and to where it sends us: redirects, the token, what may be fetched at all, and tries.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "hub/http_client.h"
#include "hub/retry_policy.h"
#include "hub/url.h"

namespace pelton {

// What all requests of one command share. Immutable, but for `stops`.
struct HubAccess {
  Url endpoint;                      // HF_ENDPOINT
  std::optional<std::string> token;  // goes to the endpoint's scheme, host and port, and nowhere else
  HttpOptions http;
  RetryOptions retry;
  // For people: "the hub asks to wait 30 s". Any thread.
  std::function<void(const std::string&)> note;
  // Set by whoever wants all threads to end soon; a wait between tries ends then. `http.stops` is the same.
  std::atomic<bool>* stops = nullptr;
};

// True: a whole answer of https, or of plain http where that is allowed: the endpoint itself where HF_ENDPOINT says
// http, or loopback to who began on loopback.
bool is_allowed(const HubAccess& access, const Url& url, const Url& beginning);

// The last answer after redirects (at most 10).
struct Fetched {
  std::optional<HttpFailure> failure;
  HttpHead head;
  Url url;  // that gave it
  std::optional<HttpHead>
      endpoint_head;  // the last one that the endpoint gave: it knows about a file what its store does not
};
// `take_head` sees the last head only, and the address that gives it. Error kUnsupported: a redirect to plain http;
// kUnavailable: too many redirects.
using TakeFinalHead = std::function<bool(const HttpHead& head, const Url& url)>;
Fetched fetch(HttpClient& client, const HubAccess& access, const Url& url, const HttpFields& fields,
              const TakeFinalHead& take_head, const HttpClient::TakeBody& take_body);

// Waits before another try, with a note where it is long. False: do not try again.
bool wait_for_retry(const HubAccess& access, RetryPolicy& policy, const HttpHead* head, std::string_view what);
bool sleep_unless_stopped(const HubAccess& access, Duration duration);

// The whole of a small answer, tried again where that may help. Statuses other than 200 are the caller's; failures are
// kUnavailable with `what` at the beginning; kResourceExhausted: more than `bytes_max`.
struct SmallAnswer {
  HttpHead head;
  std::string body;
};
SmallAnswer fetch_small(HttpClient& client, const HubAccess& access, const Url& url, size_t bytes_max,
                        std::string_view what);

}  // namespace pelton
