// Byte-pair encoding of a word: of all neighbours that a merge knows, the one with the best rank (the leftmost of
// several) becomes one token, again and again. Sennrich et al., "Neural Machine Translation of Rare Words with Subword
// Units".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/token_id.h"

namespace pelton {

// Immutable after the last add(): any number of threads may merge, each with a scratch of its own.
class PairMerger {
 public:
  static constexpr TokenId kNoToken = TokenId{-1};

  // `byte_tokens`: the token of each byte, or kNoToken.
  PairMerger(const std::array<TokenId, 256>& byte_tokens, size_t merge_count);
  // `rank`: less is better. A pair that is there already gets the new rank and token.
  void add(TokenId left, TokenId right, uint32_t rank, TokenId merged);

  struct Scratch {
    std::vector<TokenId> tokens;
    std::vector<uint32_t> ranks, previous, next;
    std::vector<uint64_t> heap;
  };
  // Appends the tokens of `word`. Bytes without one are left out before anything is merged, as the library does it.
  // O(n log n) for n bytes.
  void merge(std::string_view word, Scratch& scratch, std::vector<TokenId>& tokens) const;

 private:
  struct Slot {
    uint64_t pair = kFree;
    uint32_t rank = 0;
    TokenId merged = {};
  };
  static constexpr uint64_t kFree = UINT64_MAX;
  static constexpr uint32_t kNoRank = UINT32_MAX;

  const Slot* find(TokenId left, TokenId right) const;
  size_t first_index(uint64_t pair) const;
  uint32_t rank_of(TokenId left, TokenId right) const;
  void merge_short(std::string_view word, std::vector<TokenId>& tokens) const;
  void merge_long(std::string_view word, Scratch& scratch, std::vector<TokenId>& tokens) const;

  std::array<TokenId, 256> byte_tokens_;
  std::vector<Slot> slots_;  // open addressing, at most two thirds full
  int shift_;
};

}  // namespace pelton
