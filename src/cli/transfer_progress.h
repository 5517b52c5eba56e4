// How far a transfer is, as a line for people.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/clock.h"

namespace pelton::cli {

// Bytes a second over the last few seconds. Pure: the caller tells the time.
class TransferRate {
 public:
  // `bytes` so far; not going back in time.
  void add(TimePoint now, int64_t bytes);
  // 0 until two points are far enough apart.
  double bytes_per_second() const;

 private:
  struct Point {
    TimePoint time;
    int64_t bytes;
  };
  std::deque<Point> points_;  // of the window, and the last one before it
};

// "12 s", "3 min 4 s", "2 h 5 min".
std::string format_seconds(double count);

// "1.2 GiB of 4.6 GiB, 26 %, 45.1 MiB/s, 1 min 17 s left".
std::string describe_transfer(int64_t done_bytes, int64_t total_bytes, double bytes_per_second);

// Standard error: one line that is written over and over on a terminal, else a new line now and then.
class ProgressLine {
 public:
  explicit ProgressLine(bool is_quiet);
  ~ProgressLine();  // a line on a terminal stays, ended
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // True: it is time for show(). Otherwise composing a line would be for nothing.
  bool is_due(TimePoint now) const;
  void show(TimePoint now, const std::string& text);
  // A line of its own above the progress.
  void note(const std::string& text);

 private:
  bool is_quiet_;
  bool is_terminal_;
  bool is_open_ = false;  // text without a newline stands on the terminal
  TimePoint next_{};
};

}  // namespace pelton::cli
