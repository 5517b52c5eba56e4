#include "hub/retry_policy.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace pelton {

std::optional<Duration> RetryPolicy::next_wait(std::optional<Duration> asked) {
  if (retry_count_ >= options_.retries_max) return std::nullopt;
  if (asked && *asked > options_.asked_wait_max) return std::nullopt;
  Duration wait = options_.first_wait;
  for (int i = 0; i < retry_count_ && wait < options_.wait_max; ++i) wait *= 2;
  ++retry_count_;
  return std::max(std::min(wait, options_.wait_max), asked.value_or(Duration::zero()));
}

bool is_transient_status(int status) {
  for (const int transient : {408, 425, 429, 500, 502, 503, 504}) {
    if (status == transient) return true;
  }
  return false;
}

std::optional<Duration> parse_retry_after(std::string_view value, int64_t now_unix_s) {
  constexpr int64_t kSecondsMax = 10LL * 365 * 24 * 3600;
  const auto bounded = [&](int64_t count) { return std::chrono::seconds(std::clamp(count, int64_t{0}, kSecondsMax)); };
  int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (end == value.data() + value.size() && error == std::errc()) {
    return count < 0 ? std::nullopt : std::optional<Duration>(bounded(count));
  }
  if (end == value.data() + value.size() && error == std::errc::result_out_of_range) return bounded(kSecondsMax);
  struct tm parts {};
  const std::string text(value);
  const char* rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return bounded(static_cast<int64_t>(::timegm(&parts)) - now_unix_s);
}

}  // namespace pelton
