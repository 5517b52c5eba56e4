// gzip by zlib, Zstandard by its own library.
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/streams/byte_stream.h"

namespace pelton::data {
namespace {

constexpr size_t kPackedBytes = size_t{1} << 18;

// What both do: a buffer of packed bytes that is filled again when it is used up.
class Unpacker : public ByteStream {
 public:
  explicit Unpacker(std::unique_ptr<ByteStream> packed) : packed_(std::move(packed)), buffer_(kPackedBytes) {}

  size_t read(std::span<char> out) final {
    while (true) {
      if (rest_.empty()) {
        rest_ = {buffer_.data(), packed_->read(buffer_)};
        if (rest_.empty()) {
          if (is_inside()) throw Error(ErrorCode::kCorruptFile, "the compressed file ends in the middle");
          return 0;
        }
      }
      if (const size_t count = unpack(rest_, out); count > 0) return count;
    }
  }

 protected:
  // Takes from the front of `packed`; gives how many bytes it wrote to `out`.
  virtual size_t unpack(std::span<char>& packed, std::span<char> out) = 0;
  // Whether a frame has begun that has not ended.
  virtual bool is_inside() const = 0;

 private:
  std::unique_ptr<ByteStream> packed_;
  std::vector<char> buffer_;
  std::span<char> rest_;
};

class GzipStream final : public Unpacker {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> packed) : Unpacker(std::move(packed)) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    CHECK(::inflateInit2(&state_, kGzipOnly) == Z_OK);
  }
  ~GzipStream() override { ::inflateEnd(&state_); }

 protected:
  size_t unpack(std::span<char>& packed, std::span<char> out) override {
    if (!is_inside_) {
      ::inflateReset(&state_);
      is_inside_ = true;
    }
    state_.next_in = reinterpret_cast<Bytef*>(packed.data());
    state_.avail_in = static_cast<uInt>(packed.size());
    state_.next_out = reinterpret_cast<Bytef*>(out.data());
    state_.avail_out = static_cast<uInt>(std::min<size_t>(out.size(), size_t{1} << 30));
    const size_t room = state_.avail_out;
    const int result = ::inflate(&state_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      is_inside_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw Error(ErrorCode::kCorruptFile, "damaged gzip data");
    }
    packed = packed.last(state_.avail_in);
    return room - state_.avail_out;
  }
  bool is_inside() const override { return is_inside_; }

 private:
  z_stream state_{};
  bool is_inside_ = false;
};

class ZstdStream final : public Unpacker {
 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> packed)
      : Unpacker(std::move(packed)), state_(::ZSTD_createDStream()) {
    CHECK(state_ != nullptr);
  }
  ~ZstdStream() override { ::ZSTD_freeDStream(state_); }

 protected:
  size_t unpack(std::span<char>& packed, std::span<char> out) override {
    ZSTD_inBuffer from{packed.data(), packed.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const size_t result = ::ZSTD_decompressStream(state_, &to, &from);
    if (::ZSTD_isError(result) != 0) {
      throw Error(ErrorCode::kCorruptFile, std::string("damaged zst data: ") + ::ZSTD_getErrorName(result));
    }
    is_inside_ = result != 0;
    packed = packed.subspan(from.pos);
    return to.pos;
  }
  bool is_inside() const override { return is_inside_; }

 private:
  ZSTD_DStream* state_;
  bool is_inside_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> unpack_gzip(std::unique_ptr<ByteStream> packed) {
  return std::make_unique<GzipStream>(std::move(packed));
}

std::unique_ptr<ByteStream> unpack_zstd(std::unique_ptr<ByteStream> packed) {
  return std::make_unique<ZstdStream>(std::move(packed));
}

}  // namespace pelton::data
