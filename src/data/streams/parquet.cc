// Parquet by the `parquet` crate, behind bridge/: rows as lines, a row group after the other.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "data/streams/byte_stream.h"
#include "text/bridge_call.h"

namespace pelton::data {
namespace {

// Of a page's header and a row group's, which a stranger wrote, not of the whole file.
constexpr pelton_bridge_parquet_limits kLimits = {.memory_bytes_max = size_t{768} << 20, .wait_ms_max = 120'000};

class ParquetStream final : public ByteStream {
 public:
  explicit ParquetStream(const std::filesystem::path& path) {
    open_file(path);  // says what the system has against it
    BridgeBytes error;
    const std::string name = path.string();
    const auto status = pelton_bridge_parquet_open(bridge_text(name), kLimits, &reader_, error.out());
    // Told when it is read, as of every damaged file.
    if (status != PELTON_BRIDGE_OK) damage_ = failure(status, error).message();
  }
  ~ParquetStream() override { pelton_bridge_parquet_reader_free(reader_); }
  ParquetStream(const ParquetStream&) = delete;
  ParquetStream& operator=(const ParquetStream&) = delete;

  size_t read(std::span<char> out) override {
    if (damage_) throw Error(ErrorCode::kCorruptFile, *damage_);
    if (rest_.empty()) {
      lines_.emplace();
      BridgeBytes error;
      const auto status = pelton_bridge_parquet_read(reader_, lines_->out(), error.out());
      if (status != PELTON_BRIDGE_OK) {
        damage_ = failure(status, error).message();
        throw Error(ErrorCode::kCorruptFile, *damage_);
      }
      rest_ = lines_->view();
    }
    const size_t count = std::min(out.size(), rest_.size());
    if (count > 0) std::memcpy(out.data(), rest_.data(), count);
    rest_.remove_prefix(count);
    return count;
  }

 private:
  static Error failure(pelton_bridge_status status, const BridgeBytes& error) {
    return bridge_error(status, ErrorCode::kCorruptFile, "as Parquet it cannot be read: ", error);
  }

  pelton_bridge_parquet_reader* reader_ = nullptr;
  std::optional<std::string> damage_;
  std::optional<BridgeBytes> lines_;
  std::string_view rest_;  // of them
};

}  // namespace

std::unique_ptr<ByteStream> lines_of_parquet(const std::filesystem::path& path) {
  return std::make_unique<ParquetStream>(path);
}

}  // namespace pelton::data
