// Byte-level BPE without the library: the same ids as ReferenceTokenizer's, an order of magnitude sooner. A scanner
// written by hand cuts the text into words, a cache knows those that came before, flat tables merge the others; bytes
// are never spelled as characters. Tests and a fuzz target compare it with the library.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_token_matcher.h"
#include "text/byte_level_parts.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/word_cache.h"

namespace pelton {

class ByteLevelTokenizer final : public Tokenizer {
 public:
  ByteLevelTokenizer(ByteLevelParts parts, TokenizerFacts facts, std::optional<TokenId> bos,
                     std::optional<TokenId> eos);

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override;
  std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch> matches) const override;
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view text) const override;
  std::string_view token_bytes(TokenId token) const override { return facts_.bytes_of(token); }
  int32_t vocabulary_size() const override { return static_cast<int32_t>(facts_.token_bytes.size()); }
  bool is_special(TokenId token) const override { return facts_.is_special_token(token); }
  bool strips_first_space() const override { return facts_.strips_first_space; }
  std::optional<TokenId> find(std::string_view token) const override;
  std::span<const AddedToken> added_tokens() const override { return facts_.added_tokens; }
  std::optional<TokenId> bos() const override { return bos_; }
  std::optional<TokenId> eos() const override { return eos_; }
  std::string_view kind() const override { return facts_.kind; }
  std::string_view encoder() const override { return "Pelton's own"; }

 private:
  // What encoding needs beside the tokenizer: one for each thread that encodes at the time, kept for the next.
  struct Workspace {
    WordCache cache;
    PairMerger::Scratch scratch;
    std::string normalized;
  };
  class Lease;

  using Tokens = std::vector<TokenId>;
  template <typename EncodeGap>
  void encode_around(std::string_view text, std::span<const AddedTokenMatch> matches, Tokens& tokens,
                     const EncodeGap& encode_gap) const;
  std::string_view normalize(std::string_view text, Workspace& workspace) const;
  void encode_ordinary(std::string_view text, Workspace& workspace, Tokens& tokens) const;
  void cut(std::string_view text, size_t cut_index, Workspace& workspace, Tokens& tokens) const;
  void encode_word(std::string_view word, const char* buffer_end, Workspace& workspace, Tokens& tokens) const;
  Tokens with_additions(Tokens tokens, bool add_special) const;

  ByteLevelParts parts_;
  TokenizerFacts facts_;
  const UnicodeClassTable& classes_;
  AddedTokenMatcher matcher_;  // of all added tokens
  std::vector<AddedToken> raw_tokens_, normalized_tokens_;
  AddedTokenMatcher raw_matcher_, normalized_matcher_;
  std::optional<TokenId> bos_, eos_;
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // guarded by idle_mutex_
};

}  // namespace pelton
