#include "data/streams/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace pelton::data {
namespace {

class FileStream final : public ByteStream {
 public:
  explicit FileStream(std::filesystem::path path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail("cannot open", errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo);
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  ~FileStream() override { ::close(descriptor_); }

  size_t read(std::span<char> out) override {
    while (true) {
      const ssize_t count = ::read(descriptor_, out.data(), out.size());
      if (count >= 0) return static_cast<size_t>(count);
      if (errno != EINTR) fail("cannot read", ErrorCode::kIo);
    }
  }

  void skip(uint64_t bytes) override {
    if (::lseek(descriptor_, static_cast<off_t>(bytes), SEEK_CUR) < 0) ByteStream::skip(bytes);  // a pipe
  }

 private:
  [[noreturn]] void fail(const char* doing, ErrorCode code) const {
    throw Error(code, fmt::format("{} {}: {}", doing, path_.string(), std::strerror(errno)));
  }

  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace

void ByteStream::skip(uint64_t bytes) {
  std::vector<char> unread(std::min<uint64_t>(bytes, 1 << 20));
  while (bytes > 0) {
    const size_t count = read({unread.data(), std::min<uint64_t>(bytes, unread.size())});
    if (count == 0) return;
    bytes -= count;
  }
}

std::unique_ptr<ByteStream> open_file(const std::filesystem::path& path) { return std::make_unique<FileStream>(path); }

std::string read_all(ByteStream& stream, size_t bytes_max) {
  std::string all;
  constexpr size_t kPiece = size_t{1} << 18;
  while (true) {
    const size_t before = all.size();
    if (before > bytes_max) {
      throw Error(ErrorCode::kResourceExhausted, fmt::format("a text of more than {} bytes", bytes_max));
    }
    all.resize(before + kPiece);
    const size_t count = stream.read({all.data() + before, kPiece});
    all.resize(before + count);
    if (count == 0) return all;
  }
}

}  // namespace pelton::data
