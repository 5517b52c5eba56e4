#include "cli/transfer_progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/byte_size.h"
#include "cli/printable.h"

namespace pelton::cli {
namespace {

constexpr Duration kWindow = std::chrono::seconds(5);
constexpr Duration kPointInterval = std::chrono::milliseconds(100);
constexpr Duration kRedrawInterval = std::chrono::milliseconds(200);
constexpr Duration kLineInterval = std::chrono::seconds(10);

size_t terminal_columns() {
  constexpr size_t kUsual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : kUsual;
}

}  // namespace

void TransferRate::add(TimePoint now, int64_t bytes) {
  if (!points_.empty() && now - points_.back().time < kPointInterval) return;
  points_.push_back({now, bytes});
  while (points_.size() > 2 && points_[1].time <= now - kWindow) points_.pop_front();
}

double TransferRate::bytes_per_second() const {
  if (points_.size() < 2) return 0;
  const Point& first = points_.front();
  const Point& last = points_.back();
  return std::max(0.0, static_cast<double>(last.bytes - first.bytes) / seconds(last.time - first.time));
}

std::string format_seconds(double count) {
  constexpr double kMax = 1000.0 * 3600;
  const auto total = static_cast<int64_t>(std::ceil(std::clamp(count, 0.0, kMax)));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  return fmt::format("{} h {} min", total / 3600, total % 3600 / 60);
}

std::string describe_transfer(int64_t done_bytes, int64_t total_bytes, double bytes_per_second) {
  const int64_t left = std::max<int64_t>(0, total_bytes - done_bytes);
  // Rounded down: 100 % is all of it.
  const int64_t percent =
      total_bytes > 0 ? static_cast<int64_t>(100.0 * static_cast<double>(done_bytes) / static_cast<double>(total_bytes))
                      : 100;
  std::string text =
      fmt::format("{} of {}, {} %", format_byte_size(done_bytes), format_byte_size(total_bytes), percent);
  if (bytes_per_second >= 1 && left > 0) {
    text += fmt::format(", {}/s, {} left", format_byte_size(static_cast<int64_t>(bytes_per_second)),
                        format_seconds(static_cast<double>(left) / bytes_per_second));
  }
  return text;
}

ProgressLine::ProgressLine(bool is_quiet) : is_quiet_(is_quiet), is_terminal_(::isatty(STDERR_FILENO) == 1) {
  if (!is_terminal_) next_ = SteadyClock().now() + kLineInterval;
}

ProgressLine::~ProgressLine() {
  if (is_open_) fmt::print(stderr, "\n");
}

bool ProgressLine::is_due(TimePoint now) const { return !is_quiet_ && now >= next_; }

void ProgressLine::show(TimePoint now, const std::string& text) {
  if (is_quiet_) return;
  next_ = now + (is_terminal_ ? kRedrawInterval : kLineInterval);
  if (is_terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", one_line(text, terminal_columns() - 1));
    std::fflush(stderr);
    is_open_ = true;
  } else {
    fmt::print(stderr, "{}\n", text);
  }
}

void ProgressLine::note(const std::string& text) {
  constexpr size_t kNoteBytesMax = 2000;
  if (is_open_) fmt::print(stderr, "\r\x1b[K");
  is_open_ = false;
  fmt::print(stderr, "{}\n", one_line(text, kNoteBytesMax));
}

}  // namespace pelton::cli
