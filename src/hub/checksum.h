// Checksums of files, by OpenSSL.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace pelton {

// What names a file on a hub: the SHA-256 of its bytes (LFS), or the SHA-1 that git gives it ("blob SIZE\0" before
// them).
enum class ChecksumKind { kSha256, kGitSha1 };
std::string_view checksum_name(ChecksumKind kind);  // "SHA-256"

struct Checksum {
  ChecksumKind kind = ChecksumKind::kSha256;
  std::string hex;  // lower case
};

// Reads the whole file. `take_progress` gets the count of bytes of each step; it may throw. Errors: kNotFound, kIo.
std::string compute_checksum(const std::filesystem::path& path, ChecksumKind kind,
                             const std::function<void(int64_t)>& take_progress = {});

}  // namespace pelton
