#include "server/access/rate_limit.h"

#include <algorithm>

namespace pelton {
namespace {

constexpr double kSecondsPerMinute = 60;

}  // namespace

RateLimit::RateLimit(int64_t per_minute, TimePoint now)
    : per_minute_(static_cast<double>(per_minute)), level_(per_minute_), updated_(now) {}

std::optional<Duration> RateLimit::wait_for(int64_t count, TimePoint now) const {
  const double missing = std::min(static_cast<double>(count), per_minute_) - level_at(now);
  if (missing <= 0) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(missing / per_minute_ * kSecondsPerMinute));
}

void RateLimit::take(int64_t count, TimePoint now) {
  level_ = level_at(now) - static_cast<double>(count);
  updated_ = now;
}

double RateLimit::level_at(TimePoint now) const {
  return std::min(per_minute_, level_ + seconds(now - updated_) / kSecondsPerMinute * per_minute_);
}

}  // namespace pelton
