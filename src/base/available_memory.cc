#include "base/available_memory.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace pelton {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// The number in a file that holds one. "max", a missing file or one that may not be read: std::nullopt.
std::optional<int64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number && number >= 0) return number;
  return std::nullopt;
}

// The number behind `key` in a file of lines "key number …"; 0: not there.
int64_t read_field(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size() + 1, key + ' ') == 0) {
      return std::strtoll(line.c_str() + key.size(), nullptr, 10);
    }
  }
  return 0;
}

struct MemoryFiles {
  const char* limit;
  const char* usage;
};
constexpr MemoryFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes"};
constexpr MemoryFiles kVersion2{"memory.max", "memory.current"};

// What is left in the tightest of the group `relative` below `mount` and its ancestors. Inside a container the group's
// path may not exist below its mount: then the ancestors that do exist say it.
int64_t left_in_group(const fs::path& mount, fs::path relative, const MemoryFiles& files) {
  int64_t left = kUnlimited;
  for (;;) {
    const fs::path group = mount / relative;
    const auto limit = read_number(group / files.limit);
    const auto usage = read_number(group / files.usage);
    if (limit && usage) {
      // File pages that nobody used for a while count as usage, but the kernel drops them when memory is needed.
      const int64_t reclaimable = read_field(group / "memory.stat", "inactive_file");
      left = std::min(left, std::max<int64_t>(0, *limit - *usage + reclaimable));
    }
    if (relative.empty()) return left;
    relative = relative.parent_path();
  }
}

int64_t left_in_groups(const fs::path& root) {
  int64_t left = kUnlimited;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "0::/path" or "9:memory:/path"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path relative = fs::path(line.substr(second + 1)).relative_path();
    const fs::path groups = root / "sys/fs/cgroup";
    if (controllers.empty()) left = std::min(left, left_in_group(groups, relative, kVersion2));
    if (controllers == "memory") left = std::min(left, left_in_group(groups / "memory", relative, kVersion1));
  }
  return left;
}

}  // namespace

int64_t available_memory_bytes(const fs::path& root) {
  const int64_t in_machine = read_field(root / "proc/meminfo", "MemAvailable:") * 1024;  // the file counts in KiB
  const int64_t in_groups = left_in_groups(root);
  if (in_machine == 0) return in_groups == kUnlimited ? 0 : in_groups;
  return std::min(in_machine, in_groups);
}

}  // namespace pelton
