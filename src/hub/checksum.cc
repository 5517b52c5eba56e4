#include "hub/checksum.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <span>

#include "base/check.h"
#include "base/file.h"

namespace pelton {
namespace {

class Digest {
 public:
  explicit Digest(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1);
  }
  void add(std::span<const std::byte> bytes) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), bytes, &size) == 1);
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string_view checksum_name(ChecksumKind kind) { return kind == ChecksumKind::kSha256 ? "SHA-256" : "git's SHA-1"; }

std::string compute_checksum(const std::filesystem::path& path, ChecksumKind kind,
                             const std::function<void(int64_t)>& take_progress) {
  constexpr size_t kStepBytes = 8 << 20;
  const auto file = MappedFile::open(path);
  std::span<const std::byte> bytes = file->bytes();
  Digest digest(kind == ChecksumKind::kSha256 ? EVP_sha256() : EVP_sha1());
  if (kind == ChecksumKind::kGitSha1) {
    std::string prefix = fmt::format("blob {}", bytes.size());
    prefix.push_back('\0');
    digest.add(std::as_bytes(std::span(prefix)));
  }
  while (!bytes.empty()) {
    const auto step = bytes.first(std::min(bytes.size(), kStepBytes));
    digest.add(step);
    file->drop_resident_pages(step);
    if (take_progress) take_progress(static_cast<int64_t>(step.size()));
    bytes = bytes.subspan(step.size());
  }
  return digest.hex();
}

}  // namespace pelton
