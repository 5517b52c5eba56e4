// std::filesystem::exists without its exceptions.
#pragma once

#include <filesystem>

namespace pelton {

// False also where the system cannot tell (a name too long, a folder without permission).
inline bool path_exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace pelton
