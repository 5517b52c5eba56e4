// Work that must not be in the way of any other.
#pragma once

namespace pelton {

// The calling thread, and those that it starts from here on, run only where no other wants the core (SCHED_IDLE of
// sched(7)), or, where the system refuses that, with the least share (nice 19). There is no way back: the system lets
// nobody without privileges raise a priority. False: it refuses both, and all stays as it was.
bool lower_thread_priority();

}  // namespace pelton
