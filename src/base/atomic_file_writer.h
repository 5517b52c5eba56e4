// A file that is written piece by piece, without a copy of it in memory, and appears whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace pelton {

// Writes beside `path`; commit() syncs and renames. Without commit() the destructor leaves no trace. Not thread-safe.
class AtomicFileWriter {
 public:
  // Error kIo: the folder is missing or cannot be written.
  explicit AtomicFileWriter(std::filesystem::path path);
  ~AtomicFileWriter();
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

  // Error kIo: the system refused (a full disk, for one).
  void write(std::span<const std::byte> bytes);
  // Error kIo. Call once, last.
  void commit();
  // Where the bytes lie until then, to read back what was written.
  const std::string& temporary_path() const { return temporary_; }

 private:
  [[noreturn]] void fail(const char* doing) const;

  std::filesystem::path path_;
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace pelton
