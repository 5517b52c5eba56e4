#include "data/packing.h"

#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "base/check.h"
#include "base/error.h"

namespace pelton::data {
namespace {

void pack_gzip(std::string_view bytes, std::string& out) {
  z_stream state{};
  constexpr int kGzip = 16 + MAX_WBITS;
  constexpr int kMemoryLevel = 8;  // zlib's default
  CHECK(::deflateInit2(&state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  const size_t start = out.size();
  out.resize(start + ::deflateBound(&state, bytes.size()));
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  state.avail_in = static_cast<uInt>(bytes.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data() + start);
  state.avail_out = static_cast<uInt>(out.size() - start);
  CHECK(::deflate(&state, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - state.avail_out);
  ::deflateEnd(&state);
}

// Its tables are dear to make: one for each thread.
ZSTD_CCtx* zstd_context() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(::ZSTD_createCCtx());
  CHECK(context != nullptr);
  return context.get();
}

// With a checksum, as zstd's own program writes it.
void pack_zstd(std::string_view bytes, std::string& out, int level) {
  ZSTD_CCtx* context = zstd_context();
  ::ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  const size_t start = out.size();
  out.resize(start + ::ZSTD_compressBound(bytes.size()));
  const size_t size = ::ZSTD_compress2(context, out.data() + start, out.size() - start, bytes.data(), bytes.size());
  CHECK(::ZSTD_isError(size) == 0);
  out.resize(start + size);
}

}  // namespace

Packing packing_of(std::string_view name) {
  if (name.ends_with(".gz")) return Packing::kGzip;
  return name.ends_with(".zst") ? Packing::kZstd : Packing::kNone;
}

std::string_view without_packing(std::string_view name) {
  const Packing packing = packing_of(name);
  return name.substr(0, name.size() - (packing == Packing::kNone ? 0 : packing == Packing::kGzip ? 3 : 4));
}

void pack(std::string_view bytes, Packing packing, std::string& out, int zstd_level) {
  if (packing == Packing::kNone) {
    out += bytes;
  } else if (packing == Packing::kGzip) {
    pack_gzip(bytes, out);
  } else {
    pack_zstd(bytes, out, zstd_level);
  }
}

}  // namespace pelton::data
