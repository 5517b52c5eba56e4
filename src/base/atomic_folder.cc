#include "base/atomic_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/temporary_name.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

// "a/b/" names the folder "a/b".
fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

[[noreturn]] void fail(const char* doing, const fs::path& path) {
  throw Error(ErrorCode::kIo, fmt::format("{} {}: {}", doing, path.string(), std::strerror(errno)));
}

}  // namespace

AtomicFolder::AtomicFolder(fs::path target) : target_(without_slash(target)) {
  remove_leftovers(target_);
  std::string name = temporary_name_template(target_);
  if (::mkdtemp(name.data()) == nullptr) fail("cannot make a folder beside", target_);
  temporary_ = name;
  descriptor_ = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ >= 0) hold_temporary(descriptor_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AtomicFolder::commit() {
  if (::chmod(temporary_.c_str(), 0755) != 0) fail("cannot write", temporary_);
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
    temporary_.clear();
  } else if (errno != EEXIST ||
             ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
    fail("cannot replace", target_);
  }
  if (!sync_folder_around(target_)) fail("cannot sync the folder of", target_);
}

}  // namespace pelton
