// Computing that gives way to other computing of the same process: training beside an engine that answers.
//
// Low priority (base/thread_priority.h) alone leaves the cores to others, but not what cores share: while one computes
// for the background, the others have less of the memory's bandwidth and of the caches. So while somebody is busy, each
// region of the background is followed by a pause, a multiple of the time that the region took.
#pragma once

#include <functional>

#include "base/clock.h"

namespace pelton {

struct GiveWayOptions {
  std::function<bool()> is_busy;  // whether others compute; asked after each region, so it must be quick
  double pause_share = 4;         // pause, in the time of the region: at most a fifth of the time is the background's
  Duration pause_max = std::chrono::milliseconds(100);  // however long a region took: a background goes on, too
};

// While it lives, regions that this thread opens on any Executor give way. One at a time on a thread, which it belongs
// to.
class GiveWay {
 public:
  explicit GiveWay(GiveWayOptions options);
  ~GiveWay();
  GiveWay(const GiveWay&) = delete;
  GiveWay& operator=(const GiveWay&) = delete;

  // Of the calling thread; null: its regions give way to nobody. For Executor.
  static const GiveWay* current();
  // What follows a region that took `time`; 0: nobody is busy.
  Duration pause_after(Duration time) const;

 private:
  const GiveWayOptions options_;
};

}  // namespace pelton
