#include "base/thread_priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pelton {

bool lower_thread_priority() {
  const sched_param parameters{};  // of SCHED_IDLE it is 0
  if (::sched_setscheduler(0, SCHED_IDLE, &parameters) == 0) return true;
  constexpr int kLeast = 19;
  // On Linux, other than POSIX has it, a priority is a thread's own (setpriority(2)).
  return ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLeast) == 0;
}

}  // namespace pelton
