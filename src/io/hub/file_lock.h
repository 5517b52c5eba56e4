// A lock between processes on a file that exists for nothing else: flock(2), as huggingface_hub's locks are.
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

namespace pelton {

// Held until destroyed, or until the process ends in any way.
class FileLock {
 public:
  // Makes the file and its folder where they are missing. Nothing: another holder has it. Error kIo.
  static std::optional<FileLock> try_acquire(const std::filesystem::path& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace pelton
