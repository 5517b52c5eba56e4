#include "data/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace pelton::data {

AppendFile::AppendFile(std::filesystem::path path, uint64_t bytes) : path_(std::move(path)), size_bytes_(bytes) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("cannot create");
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("cannot read the size of");
  if (static_cast<uint64_t>(status.st_size) < bytes) {
    ::close(descriptor_);
    throw Error(ErrorCode::kCorruptFile, fmt::format("{} is shorter than it was", path_.string()));
  }
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) fail("cannot cut");
  if (::lseek(descriptor_, 0, SEEK_END) < 0) fail("cannot go to the end of");
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::span<const std::string_view> pieces) {
  constexpr size_t kPiecesMax = 1024;  // IOV_MAX
  std::vector<iovec> vectors;
  size_t i = 0;
  size_t offset = 0;  // into piece i
  while (true) {
    vectors.clear();
    for (size_t k = i; k < pieces.size() && vectors.size() < kPiecesMax; ++k) {
      const std::string_view rest = pieces[k].substr(k == i ? offset : 0);
      if (!rest.empty()) vectors.push_back({const_cast<char*>(rest.data()), rest.size()});
    }
    if (vectors.empty()) return;
    const ssize_t written = ::writev(descriptor_, vectors.data(), static_cast<int>(vectors.size()));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write");
    size_bytes_ += static_cast<uint64_t>(written);
    offset += static_cast<size_t>(written);
    for (; i < pieces.size() && offset >= pieces[i].size(); ++i) offset -= pieces[i].size();
  }
}

void AppendFile::sync() {
  if (::fdatasync(descriptor_) != 0) fail("cannot write");
}

void AppendFile::fail(const char* doing) const {
  throw Error(ErrorCode::kIo, fmt::format("{} {}: {}", doing, path_.string(), std::strerror(errno)));
}

}  // namespace pelton::data
