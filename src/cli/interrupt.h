// Ctrl-C (SIGINT) and SIGTERM as something to ask for, instead of the end of the process.
#pragma once

#include <csignal>

namespace pelton::cli {

// Holds while it lives; one at a time. The signals do what they did before once it is gone, and before it is made, so
// make it where there is something to save: loading a model, for example, should simply end. Made and gone in the same
// thread.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // The signal that came last since the start or the last clear(); 0: none. Any thread.
  int signal() const;
  void clear();
  // Blocks until a signal comes.
  int wait() const;

  // Readable from a signal on, until clear(): for poll().
  int descriptor() const;

  // What a shell expects of a program that a signal stopped.
  static int exit_code(int signal) { return 128 + signal; }

 private:
  struct sigaction previous_interrupt_ {};
  struct sigaction previous_terminate_ {};
  stack_t
      previous_stack_{};  // of the thread that makes the scope, where its handler runs apart from what it interrupts
};

}  // namespace pelton::cli
