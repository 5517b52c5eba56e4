#include "base/atomic_file_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/temporary_name.h"

namespace pelton {
namespace fs = std::filesystem;

AtomicFileWriter::AtomicFileWriter(fs::path path) : path_(std::move(path)), temporary_(temporary_name_template(path_)) {
  descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot create a file beside");
  hold_temporary(descriptor_);
}

AtomicFileWriter::~AtomicFileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFileWriter::commit() {
  if (::fchmod(descriptor_, 0644) != 0 || ::fsync(descriptor_) != 0) fail("cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot replace");
  ::close(descriptor_);
  descriptor_ = -1;
  if (!sync_folder_around(path_)) fail("cannot sync the folder of");
}

void AtomicFileWriter::fail(const char* doing) const {
  throw Error(ErrorCode::kIo, fmt::format("{} {}: {}", doing, path_.string(), std::strerror(errno)));
}

}  // namespace pelton
