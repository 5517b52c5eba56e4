#include "server/metrics/slow_answers.h"

#include <fmt/format.h>

#include <algorithm>

namespace pelton {
namespace {

constexpr size_t kRememberedCount = 1024;
constexpr size_t kCountMin = 100;        // before which a hundredth means nothing
constexpr size_t kRefreshInterval = 32;  // sorting costs 10 µs

}  // namespace

void TailEstimate::add(double value) {
  if (last_.size() < kRememberedCount) {
    last_.push_back(value);
  } else {
    last_[next_ % kRememberedCount] = value;
  }
  ++next_;
  if (last_.size() < kCountMin || (p99_ && next_ % kRefreshInterval != 0)) return;
  std::vector<double> sorted = last_;
  const auto place = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() * 99 + 99) / 100 - 1);
  std::nth_element(sorted.begin(), place, sorted.end());
  p99_ = *place;
}

std::optional<SlowAnswers::Slowness> SlowAnswers::judge_first_token(double seconds, const TimeShares& shares) {
  return judge(first_tokens_, level_ ? std::optional(pelton::seconds(level_->ttft)) : std::nullopt, seconds, shares);
}

std::optional<SlowAnswers::Slowness> SlowAnswers::judge_decode(double seconds_per_token, const TimeShares& shares) {
  return judge(decodes_, level_ ? std::optional(seconds(level_->tpot)) : std::nullopt, seconds_per_token, shares);
}

std::optional<SlowAnswers::Slowness> SlowAnswers::judge_delivery(Duration duration) {
  if (duration <= kDeliveryMax) return std::nullopt;
  return Slowness{kConnection, seconds(kDeliveryMax), true};
}

std::optional<SlowAnswers::Slowness> SlowAnswers::judge(TailEstimate& tail, std::optional<double> promised,
                                                        double value, const TimeShares& shares) {
  std::optional<double> limit = promised;
  if (!limit) {
    const std::lock_guard lock(mutex_);
    limit = tail.p99();
    tail.add(value);
  }
  if (!limit || value <= *limit) return std::nullopt;
  return Slowness{std::string(time_part_name(shares.largest())), *limit, promised.has_value()};
}

std::string describe(const TimeShares& shares) {
  Duration whole{};
  for (size_t i = 0; i < kTimePartCount; ++i) whole += shares[static_cast<TimePart>(i)];
  std::string text;
  for (size_t i = 0; i < kTimePartCount; ++i) {
    const auto part = static_cast<TimePart>(i);
    if (shares[part] <= Duration(0) || shares[part] * 100 < whole) continue;
    text += fmt::format("{}{} {:.2f} s", text.empty() ? "" : ", ", time_part_name(part), seconds(shares[part]));
  }
  return text;
}

}  // namespace pelton
