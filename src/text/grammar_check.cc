#include "text/grammar_check.h"

#include <array>
#include <vector>

namespace pelton {
namespace {

constexpr int32_t kByteCount = 256;
constexpr TokenId kEnd{kByteCount};

// Token i is byte i; one more ends.
class ByteTokenizer final : public Tokenizer {
 public:
  ByteTokenizer() {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(i);
  }
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> tokens;
    for (const char byte : text) tokens.push_back(TokenId{static_cast<unsigned char>(byte)});
    return tokens;
  }
  std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch>) const override {
    return encode(text, {});
  }
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view) const override { return {}; }
  std::string_view token_bytes(TokenId token) const override {
    if (token == kEnd) return "<end>";
    return {&bytes_[static_cast<size_t>(index_of(token))], 1};
  }
  int32_t vocabulary_size() const override { return kByteCount + 1; }
  bool is_special(TokenId token) const override { return token == kEnd; }
  bool strips_first_space() const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::span<const AddedToken> added_tokens() const override { return {}; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return kEnd; }
  std::string_view kind() const override { return "bytes"; }

 private:
  std::array<char, kByteCount> bytes_;
};

GrammarCompiler& byte_compiler() {
  static GrammarCompiler compiler(std::make_shared<ByteTokenizer>(), kByteCount + 1, {kEnd});
  return compiler;
}

bool is_in(const std::vector<uint32_t>& mask, TokenId token) {
  const auto id = static_cast<size_t>(index_of(token));
  return (mask[id / 32] >> (id % 32) & 1) != 0;
}

}  // namespace

std::shared_ptr<const Tokenizer> byte_tokenizer() { return std::make_shared<ByteTokenizer>(); }

GrammarCheck::GrammarCheck(const GrammarSource& source) : grammar_(byte_compiler().compile(source)) {}

bool GrammarCheck::accepts(std::string_view text) const {
  GrammarState state(grammar_);
  std::vector<uint32_t> mask(byte_compiler().mask_word_count());
  for (const char byte : text) {
    const TokenId token{static_cast<unsigned char>(byte)};
    if (state.has_ended()) return false;
    state.mask(mask);
    if (!is_in(mask, token)) return false;
    state.consume(token);
  }
  state.mask(mask);
  return is_in(mask, kEnd);
}

}  // namespace pelton
