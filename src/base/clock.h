// Time as an argument, so that what decides can be run under a fake clock.
#pragma once

#include <chrono>

namespace pelton {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

inline double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
inline double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace pelton
