#include "train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "train/tensorboard.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const char* doing, const fs::path& path) {
  throw Error(ErrorCode::kIo, fmt::format("{} {} failed: {}", doing, path.string(), std::strerror(errno)));
}

int open_file(const fs::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) fail("opening", path);
  return descriptor;
}

}  // namespace

RunFolder::RunFolder(const fs::path& output) : path_(output.string() + ".run") {
  std::error_code error;
  if (fs::exists(output, error)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is there already; choose another output, or remove it", output.string()), "output");
  }
  fs::create_directory(path_, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("making {} failed: {}", path_.string(), error.message()));
  lock_ = open_file(path_ / "lock", O_RDWR);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw Error(ErrorCode::kInvalidArgument, fmt::format("another process is training into {}", output.string()),
                "output");
  }
  try {
    log_ = open_file(path_ / "log.jsonl", O_RDWR | O_APPEND);
    log_bytes_ = fs::file_size(path_ / "log.jsonl");
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() {
  ::close(log_);
  ::close(lock_);
}

void RunFolder::append_to_log(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  if (::write(log_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail("writing", path_ / "log.jsonl");
  log_bytes_ += text.size();
}

void RunFolder::cut_log(uint64_t bytes) {
  if (bytes > log_bytes_ || ::ftruncate(log_, static_cast<off_t>(bytes)) != 0) fail("cutting", path_ / "log.jsonl");
  log_bytes_ = bytes;
}

fs::path RunFolder::events() const { return path_ / kTensorboardFile; }

std::string RunFolder::log() const { return read_file(path_ / "log.jsonl", uint64_t{1} << 32); }

void RunFolder::remove() {
  std::error_code ignored;  // what stays is in nobody's way
  fs::remove_all(path_, ignored);
}

}  // namespace pelton
