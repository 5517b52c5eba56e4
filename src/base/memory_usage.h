// What this process holds in memory, as the system counts it.
#pragma once

#include <cstdint>

namespace pelton {

struct ResidentBytes {
  int64_t anonymous = 0;
  int64_t of_files = 0;  // pages of mapped files that have been read, the program's own among them

  int64_t all() const { return anonymous + of_files; }
};
// Now. Linux only: elsewhere 0.
ResidentBytes resident_bytes();
// The most since the process began.
int64_t resident_bytes_max();

}  // namespace pelton
