// A tokenizer for tests of what reads text: one token a byte, and BOS where the test wants it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace pelton {

class ByteTokenizer final : public Tokenizer {
 public:
  static constexpr int32_t kBos = 256;

  explicit ByteTokenizer(bool adds_bos) : adds_bos_(adds_bos) {
    for (int byte = 0; byte < 256; ++byte) bytes_.emplace_back(1, static_cast<char>(byte));
  }

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> tokens;
    if (adds_bos_ && options.add_special) tokens.push_back(TokenId{kBos});
    for (const char byte : text) tokens.push_back(TokenId{static_cast<unsigned char>(byte)});
    return tokens;
  }
  std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch>) const override {
    return encode(text, {.add_special = false});
  }
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view) const override { return {}; }
  std::string_view token_bytes(TokenId token) const override {
    return index_of(token) < kBos ? std::string_view(bytes_[static_cast<size_t>(index_of(token))]) : "<bos>";
  }
  int32_t vocabulary_size() const override { return kBos + 1; }
  bool is_special(TokenId token) const override { return index_of(token) == kBos; }
  bool strips_first_space() const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::span<const AddedToken> added_tokens() const override { return {}; }
  std::optional<TokenId> bos() const override { return TokenId{kBos}; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  std::string_view kind() const override { return "bytes"; }

 private:
  bool adds_bos_;
  std::vector<std::string> bytes_;
};

}  // namespace pelton
