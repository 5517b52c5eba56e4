// What this process holds in memory, as the system counts it.
#pragma once

#include <cstdint>

namespace pelton {

// Now; pages of mapped files that have been read count. Linux only: elsewhere 0.
int64_t resident_bytes();
// The most since the process began.
int64_t resident_bytes_max();

}  // namespace pelton
