#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "base/check.h"

namespace pelton::cli {
namespace {

// A handler reaches nothing but globals; lock-free atomics and write() are what it may use.
std::atomic<int> g_signal{0};
std::atomic<int> g_write_descriptor{-1};
int g_read_descriptor = -1;
static_assert(std::atomic<int>::is_always_lock_free);

// The thread that makes the scope may compute, so the handler has a stack of its own (see base/signal_block.h for why).
// MINSIGSTKSZ does not count what AVX-512 and AMX add to a frame.
constexpr size_t kHandlerStackSize = 64 * 1024;
alignas(64) std::byte g_handler_stack[kHandlerStackSize];

void on_signal(int signal) {
  const int saved_errno = errno;
  g_signal.store(signal);
  const char byte = 0;
  // A full pipe is as good: it is readable already.
  [[maybe_unused]] const ssize_t written = ::write(g_write_descriptor.load(), &byte, 1);
  errno = saved_errno;
}

}  // namespace

InterruptScope::InterruptScope() {
  CHECK(g_read_descriptor == -1);
  int descriptors[2];
  CHECK(::pipe2(descriptors, O_CLOEXEC | O_NONBLOCK) == 0);
  g_read_descriptor = descriptors[0];
  g_write_descriptor = descriptors[1];
  g_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;  // without SA_RESTART: a read at a prompt is to end
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  const stack_t stack = {.ss_sp = g_handler_stack, .ss_flags = 0, .ss_size = sizeof g_handler_stack};
  CHECK(::sigaltstack(&stack, &previous_stack_) == 0);
  ::sigaction(SIGINT, &action, &previous_interrupt_);
  ::sigaction(SIGTERM, &action, &previous_terminate_);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &previous_interrupt_, nullptr);
  ::sigaction(SIGTERM, &previous_terminate_, nullptr);
  ::sigaltstack(&previous_stack_, nullptr);
  ::close(g_write_descriptor.exchange(-1));
  ::close(g_read_descriptor);
  g_read_descriptor = -1;
}

int InterruptScope::signal() const { return g_signal.load(); }

void InterruptScope::clear() {
  char bytes[64];
  while (::read(g_read_descriptor, bytes, sizeof bytes) > 0) {
  }
  g_signal = 0;
}

int InterruptScope::wait() const {
  pollfd waiting{g_read_descriptor, POLLIN, 0};
  while (signal() == 0) ::poll(&waiting, 1, -1);
  return signal();
}

int InterruptScope::descriptor() const { return g_read_descriptor; }

}  // namespace pelton::cli
