// The time of day, for what is shown and written down; what decides takes a Clock (base/clock.h).
#pragma once

#include <chrono>
#include <cstdint>

namespace pelton {

// Since 1970.
inline int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace pelton
