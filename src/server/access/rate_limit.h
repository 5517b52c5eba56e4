// A limit per minute, as a bucket that refills steadily and holds a minute's worth: pure, time is an argument.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace pelton {

class RateLimit {
 public:
  // Full at `now`. `per_minute` ≥ 1.
  RateLimit(int64_t per_minute, TimePoint now);

  // Absent: there is at least `count`, or all that the bucket can hold. Else how long until there will be.
  std::optional<Duration> wait_for(int64_t count, TimePoint now) const;
  // May take more than there is: what is owed has to flow in before anybody is let in again.
  void take(int64_t count, TimePoint now);

 private:
  double level_at(TimePoint now) const;

  double per_minute_;
  double level_;
  TimePoint updated_;
};

}  // namespace pelton
