// Any bytes as a Parquet file: read to its end or refused by an Error.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "data/streams/byte_stream.h"

namespace {

// A file without a name: Parquet is read from its end.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("fuzz.parquet", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || ::write(descriptor_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A few bytes may tell of very many rows; so much of them is read.
  constexpr uint64_t kBytesMax = uint64_t{4} << 20;
  const MemoryFile file(data, size);
  std::array<char, 4096> buffer;
  try {
    const auto lines = pelton::data::lines_of_parquet(file.path());
    for (uint64_t bytes = 0; bytes < kBytesMax;) {
      const size_t count = lines->read(buffer);
      if (count == 0) break;
      bytes += count;
    }
  } catch (const pelton::Error&) {
  }
  return 0;
}
