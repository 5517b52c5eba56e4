#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/atomic_file_writer.h"
#include "base/error.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_errno(std::string_view doing, const fs::path& path) {
  const int error = errno;
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  throw Error(code, fmt::format("{} {}: {}", doing, path.string(), std::strerror(error)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

uint64_t regular_file_size_bytes(int fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno("cannot examine", path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: not a regular file", path.string()));
  }
  return static_cast<uint64_t>(status.st_size);
}

}  // namespace

MappedFile::MappedFile(fs::path path, const std::byte* data, size_t size_bytes)
    : path_(std::move(path)), data_(data), size_bytes_(size_bytes) {}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) throw_errno("cannot open", path);
  const size_t size_bytes = regular_file_size_bytes(descriptor.get(), path);
  void* data = nullptr;
  if (size_bytes > 0) {
    data = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, descriptor.get(), 0);
    if (data == MAP_FAILED) throw_errno("cannot map", path);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size_bytes));
}

MappedFile::~MappedFile() {
  if (size_bytes_ > 0) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
}

void MappedFile::drop_resident_pages(std::span<const std::byte> range) {
  static const uintptr_t page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(range.data()) + page_bytes - 1) / page_bytes * page_bytes;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(range.data()) + range.size()) / page_bytes * page_bytes;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string read_file(const fs::path& path, uint64_t bytes_max) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) throw_errno("cannot open", path);
  const uint64_t size_bytes = regular_file_size_bytes(descriptor.get(), path);
  if (size_bytes > bytes_max) {
    throw Error(ErrorCode::kResourceExhausted,
                fmt::format("{} has {} bytes; at most {} are read here", path.string(), size_bytes, bytes_max));
  }
  std::string contents(size_bytes, '\0');
  size_t done = 0;
  while (done < contents.size()) {
    const ssize_t count = ::read(descriptor.get(), contents.data() + done, contents.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", path);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  contents.resize(done);
  return contents;
}

void replace_file(const fs::path& path, std::string_view contents) {
  AtomicFileWriter file(path);
  file.write(std::as_bytes(std::span(contents)));
  file.commit();
}

fs::path cache_folder() {
  if (const char* folder = std::getenv("PELTON_CACHE"); folder != nullptr && *folder != '\0') return folder;
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0') {
    return fs::path(folder) / "pelton";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/tmp") / ".cache" / "pelton";
}

}  // namespace pelton
