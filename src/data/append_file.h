// A file that grows piece by piece, and can be cut back to a length that it had: what a run that goes on needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace pelton::data {

// Not thread-safe.
class AppendFile {
 public:
  // Makes the file, or cuts it back to its first `bytes`. Errors: kIo; kCorruptFile, where it is shorter.
  AppendFile(std::filesystem::path path, uint64_t bytes);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Error kIo: the system refused (a full disk, for one).
  void append(std::string_view bytes) { append(std::span<const std::string_view>(&bytes, 1)); }
  void append(std::span<const std::string_view> pieces);
  // To the disk.
  void sync();

  uint64_t size_bytes() const { return size_bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(const char* doing) const;

  std::filesystem::path path_;
  uint64_t size_bytes_;
  int descriptor_;
};

}  // namespace pelton::data
