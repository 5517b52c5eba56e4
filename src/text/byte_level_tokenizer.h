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
#include "text/described_tokenizer.h"
#include "text/word_cache.h"

namespace pelton {

class ByteLevelTokenizer final : public DescribedTokenizer {
 public:
  // `tokenizer_facts` are those of the same tokenizer.json.
  ByteLevelTokenizer(ByteLevelParts parts, TokenizerFacts tokenizer_facts);

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override;
  std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch> matches) const override;
  std::optional<TokenId> find(std::string_view token) const override;
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
  const UnicodeClassTable& classes_;
  std::vector<AddedToken> raw_tokens_, normalized_tokens_;
  AddedTokenMatcher raw_matcher_, normalized_matcher_;
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // guarded by idle_mutex_
};

}  // namespace pelton
