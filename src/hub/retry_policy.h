// When to ask again, after how long. Pure: who calls it sleeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace pelton {

struct RetryOptions {
  int retries_max = 8;  // in a row without progress: half a minute of waiting in all
  Duration first_wait = std::chrono::milliseconds(250);
  Duration wait_max = std::chrono::seconds(16);
  Duration asked_wait_max = std::chrono::minutes(5);  // of Retry-After; longer is not waited for
};

class RetryPolicy {
 public:
  explicit RetryPolicy(RetryOptions options) : options_(options) {}

  // What came since the last wait was worth the try: the count starts again.
  void progressed() { retry_count_ = 0; }
  // How long to wait before the next try: doubling, and at least what the server asked for. Nothing: give up.
  std::optional<Duration> next_wait(std::optional<Duration> asked = std::nullopt);

 private:
  RetryOptions options_;
  int retry_count_ = 0;
};

// 408, 425, 429, 500, 502, 503, 504: the same request may succeed later.
bool is_transient_status(int status);

// Retry-After (RFC 9110, section 10.2.3): seconds, or a date, of which `now_unix_s` (seconds since 1970) is the past.
// Nothing: neither.
std::optional<Duration> parse_retry_after(std::string_view value, int64_t now_unix_s);

}  // namespace pelton
