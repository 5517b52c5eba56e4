// How much memory is left for this process.
#pragma once

#include <cstdint>
#include <filesystem>

namespace pelton {

// Memory that this process may still take without pushing anybody into swap: MemAvailable of /proc/meminfo, or what is
// left of its control group's limit (version 1 or 2, its own or an ancestor's) where that is less.
// `root` is "/" but in tests. 0: the system does not say.
int64_t available_memory_bytes(const std::filesystem::path& root = "/");

}  // namespace pelton
