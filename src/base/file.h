// Files: mapped for reading, replaced as a whole for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pelton {

// A read-only mapping of a whole file. Immutable, so any thread may read it; views into it live as long as it does.
// If another process truncates the file while it is mapped, reading the lost part raises SIGBUS: do not edit model
// files in place (Pelton itself only replaces them).
class MappedFile {
 public:
  // Errors: kNotFound, kIo (not a regular file, no permission, map refused).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  const std::filesystem::path& path() const { return path_; }
  // Tells the kernel that these pages, of any mapped file, are not needed for now; they come back from the file when
  // touched.
  static void drop_resident_pages(std::span<const std::byte> range);

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size_bytes);

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_bytes_;
};

// Errors: kNotFound, kIo, kResourceExhausted (larger than `bytes_max`, checked before anything is read).
std::string read_file(const std::filesystem::path& path, uint64_t bytes_max);

// The whole of an AtomicFileWriter in one call: a crash leaves the old file or the new one. Error: kIo.
void replace_file(const std::filesystem::path& path, std::string_view contents);

// $PELTON_CACHE, else $XDG_CACHE_HOME/pelton, else ~/.cache/pelton. Not created.
std::filesystem::path cache_folder();

}  // namespace pelton
