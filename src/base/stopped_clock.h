// For tests: a clock that moves when it is told to.
#pragma once

#include "base/clock.h"

namespace pelton {

class StoppedClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(Duration duration) { now_ += duration; }

 private:
  TimePoint now_{};
};

}  // namespace pelton
