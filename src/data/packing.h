// Compressed output: each call makes a whole member or frame; one after another they are a valid file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace pelton::data {

enum class Packing : uint8_t { kNone, kGzip, kZstd };

// By the ending: .gz, .zst.
Packing packing_of(std::string_view name);
// "clean.jsonl" of "clean.jsonl.zst".
std::string_view without_packing(std::string_view name);

// Appends to `out`. Gzip at zlib's default level, Zstandard at `zstd_level`.
void pack(std::string_view bytes, Packing packing, std::string& out, int zstd_level = 3);

}  // namespace pelton::data
