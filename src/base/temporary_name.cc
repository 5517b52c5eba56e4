#include "base/temporary_name.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <string_view>
#include <system_error>
#include <vector>

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPlaces = "XXXXXX";

// Whether no process makes it.
bool is_left(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_free = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  ::close(descriptor);
  return is_free;
}

}  // namespace

fs::path folder_around(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

std::string temporary_name_template(const fs::path& target) {
  return (folder_around(target) / fmt::format(".{}.{}", target.filename().string(), kPlaces)).string();
}

bool sync_folder_around(const fs::path& target) {
  const int folder = ::open(folder_around(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  const bool is_synced = ::fsync(folder) == 0;
  ::close(folder);
  return is_synced;
}

void hold_temporary(int descriptor) { ::flock(descriptor, LOCK_EX | LOCK_NB); }

void remove_leftovers(const fs::path& target) {
  const std::string prefix = fmt::format(".{}.", target.filename().string());
  std::error_code error;
  std::vector<fs::path> left;
  for (fs::directory_iterator entry(folder_around(target), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_temporary = name.size() == prefix.size() + kPlaces.size() && name.starts_with(prefix);
    if (is_temporary && is_left(entry->path())) left.push_back(entry->path());
  }
  for (const fs::path& path : left) fs::remove_all(path, error);
}

}  // namespace pelton
