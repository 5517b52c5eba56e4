// Waits for what tells a program to end: SIGINT, SIGTERM; and for what tells it to read its files again: SIGHUP.
#pragma once

#include <functional>
#include <memory>

namespace pelton {

class StopSignal {
 public:
  // From here on the signals no longer kill the process. One object at a time. `on_hangup`, if any, is called at each
  // SIGHUP, in wait(); it must not throw.
  explicit StopSignal(std::function<void()> on_hangup = {});
  ~StopSignal();
  // Returns at a signal or at interrupt(). From then on a second signal ends the process at once, as by default.
  void wait();
  // Any thread.
  void interrupt();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
