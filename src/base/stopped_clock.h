// For tests: a clock that moves when it is told to. Any thread may look at it.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace pelton {

class StoppedClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(Duration duration) { now_ = now_.load() + duration; }

 private:
  std::atomic<TimePoint> now_{TimePoint{}};
};

}  // namespace pelton
