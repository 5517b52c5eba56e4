// Threads on which no signal handler runs.
#pragma once

#include <csignal>

namespace pelton {

// Blocks all signals in the calling thread while it lives; threads that are started meanwhile inherit that for good.
// For threads that compute: oneDNN's generated code (libdnnl 2.6) keeps data deeper below the stack pointer than the
// 128 bytes that the System V ABI promises it, and the frame of a handler on the same stack overwrites them.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &previous_);
  }
  ~SignalBlock() { ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t previous_{};
};

}  // namespace pelton
