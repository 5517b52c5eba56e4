#include "bench/traffic.h"

#include <algorithm>
#include <cmath>

namespace pelton {

double Traffic::exponential(double mean) { return -mean * std::log1p(-rng_.next_double()); }

int64_t Traffic::length(int64_t mean) {
  constexpr int64_t kMeansMax = 10;
  const auto tokens = static_cast<int64_t>(std::llround(exponential(static_cast<double>(mean))));
  return std::clamp<int64_t>(tokens, 1, kMeansMax * mean);
}

TrafficRequest Traffic::next() {
  now_seconds_ += exponential(1 / options_.requests_per_second);
  TrafficRequest request;
  request.arrival = TimePoint(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(now_seconds_)));
  request.prompt_tokens = options_.shared_prefix_tokens + length(options_.prompt_tokens_mean);
  request.answer_tokens = length(options_.answer_tokens_mean);
  request.prefix = rng_.next_below(static_cast<uint64_t>(options_.prefix_count));
  const auto client_count = static_cast<uint64_t>(options_.client_count);
  if (options_.first_client_share > 0 && client_count > 1) {
    const bool is_first = rng_.next_double() < options_.first_client_share;
    request.client = is_first ? 0 : 1 + rng_.next_below(client_count - 1);
  } else {
    request.client = rng_.next_below(client_count);
  }
  return request;
}

}  // namespace pelton
