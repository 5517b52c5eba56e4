#include "hub/hub_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/unix_time.h"
#include "io/in_quotes.h"

namespace pelton {
namespace {

constexpr int kRedirectsMax = 10;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::optional<Duration> asked_wait(const HttpHead* head) {
  const auto value = head == nullptr ? std::nullopt : head->field("Retry-After");
  return value ? parse_retry_after(*value, unix_seconds()) : std::nullopt;
}

void check_allowed(const HubAccess& access, const Url& url, const Url& beginning) {
  if (is_allowed(access, url, beginning)) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{} is plain http, where anybody on the way can read and change what comes; only https is "
                          "fetched (and http from this machine, or from the HF_ENDPOINT that is set so)",
                          to_display(url)));
}

}  // namespace

bool is_allowed(const HubAccess& access, const Url& url, const Url& beginning) {
  if (url.is_secure) return true;
  const bool began_in_plain = !beginning.is_secure;  // never from https to http
  return began_in_plain && (url.has_origin_of(access.endpoint) || (url.is_loopback() && beginning.is_loopback()));
}

Fetched fetch(HttpClient& client, const HubAccess& access, const Url& url, const HttpFields& fields,
              const TakeFinalHead& take_head, const HttpClient::TakeBody& take_body) {
  Fetched fetched{.url = url};
  for (int i = 0; i <= kRedirectsMax; ++i) {
    check_allowed(access, fetched.url, url);
    const bool is_endpoint = fetched.url.has_origin_of(access.endpoint);
    HttpFields all = fields;
    if (is_endpoint && access.token) all.emplace_back("Authorization", "Bearer " + *access.token);
    std::optional<std::string> location;
    const auto see_head = [&](const HttpHead& head) {
      fetched.head = head;
      if (is_endpoint) fetched.endpoint_head = head;
      location = is_redirect(head.status) ? head.field("Location") : std::nullopt;
      return !location && take_head(head, fetched.url);
    };
    fetched.failure = client.get(fetched.url, all, see_head, take_body);
    if (fetched.failure || !location) return fetched;
    try {
      fetched.url = resolve_url(fetched.url, *location);
    } catch (const Error& error) {
      throw Error(ErrorCode::kUnavailable, fmt::format("{} redirects: {}", to_display(fetched.url), error.message()));
    }
  }
  throw Error(ErrorCode::kUnavailable, fmt::format("{} redirects more than {} times", to_display(url), kRedirectsMax));
}

bool sleep_unless_stopped(const HubAccess& access, Duration duration) {
  constexpr Duration kStep = std::chrono::milliseconds(50);
  const auto end = std::chrono::steady_clock::now() + duration;
  for (;;) {
    if (access.stops != nullptr && access.stops->load()) return false;
    const Duration left = end - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) return true;
    std::this_thread::sleep_for(std::min(left, kStep));
  }
}

bool wait_for_retry(const HubAccess& access, RetryPolicy& policy, const HttpHead* head, std::string_view what) {
  constexpr Duration kWorthANote = std::chrono::seconds(2);
  const std::optional<Duration> wait = policy.next_wait(asked_wait(head));
  if (!wait) return false;
  if (*wait >= kWorthANote && access.note) {
    access.note(fmt::format("{}; trying again in {:.0f} s", what, seconds(*wait)));
  }
  return sleep_unless_stopped(access, *wait);
}

SmallAnswer fetch_small(HttpClient& client, const HubAccess& access, const Url& url, size_t bytes_max,
                        std::string_view what) {
  RetryPolicy policy(access.retry);
  for (;;) {
    SmallAnswer answer;
    bool is_too_large = false;
    const auto take_head = [&](const HttpHead& head, const Url&) {
      is_too_large = head.content_length && *head.content_length > static_cast<int64_t>(bytes_max);
      return head.status == 200 && !is_too_large;
    };
    const auto take_body = [&](std::span<const std::byte> bytes) {
      is_too_large = answer.body.size() + bytes.size() > bytes_max;
      if (!is_too_large) answer.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return !is_too_large;
    };
    Fetched fetched = fetch(client, access, url, {{"Accept", "application/json"}}, take_head, take_body);
    if (is_too_large) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("{}: {} answers with more than {} bytes", what, to_display(fetched.url), bytes_max));
    }
    const bool is_final = fetched.failure ? fetched.failure->is_permanent : !is_transient_status(fetched.head.status);
    if (!is_final) {
      const std::string why =
          fetched.failure ? fetched.failure->message
                          : fmt::format("{} answers with status {}", authority_of(fetched.url), fetched.head.status);
      if (wait_for_retry(access, policy, fetched.failure ? nullptr : &fetched.head, why)) continue;
    }
    if (fetched.failure) {
      throw Error(ErrorCode::kUnavailable, fmt::format("{}: {}", what, fetched.failure->message));
    }
    answer.head = std::move(fetched.head);
    return answer;
  }
}

}  // namespace pelton
