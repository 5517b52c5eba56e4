// The tokens of words that came before: most words of a text are few. Of fixed size; a word takes the place of the one
// that was there. For one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "text/token_id.h"

namespace pelton {

class WordCache {
 public:
  static constexpr size_t kWordBytesMax = 31;
  static constexpr size_t kTokensMax = 7;

  WordCache() : entries_(size_t{1} << kIndexBits) {}

  struct Key {
    std::array<uint64_t, 4> words;  // the bytes, zeros, and the size in the last one
    size_t index;
  };
  // `word` has 1 to kWordBytesMax bytes, and the buffer that it lies in ends at `buffer_end`.
  static Key key_of(std::string_view word, const char* buffer_end) {
    Key key;
    if (buffer_end - word.data() >= 32) {
      std::memcpy(key.words.data(), word.data(), 32);  // of constant size: four loads
      for (size_t i = 0; i < 4; ++i) key.words[i] &= mask_of(word.size(), i);
    } else {
      key.words = {};
      std::memcpy(key.words.data(), word.data(), word.size());
    }
    key.words[3] |= uint64_t{word.size()} << 56;
    uint64_t hash = key.words[0] * 0x9E3779B97F4A7C15 + key.words[1] * 0xC2B2AE3D27D4EB4F +
                    key.words[2] * 0x165667B19E3779F9 + key.words[3] * 0xD6E8FEB86659FD93;  // odd, of no pattern
    hash = (hash ^ hash >> 32) * 0x9E3779B97F4A7C15;
    key.index = static_cast<size_t>(hash >> (64 - kIndexBits));
    return key;
  }

  // std::nullopt: not there.
  std::optional<std::span<const TokenId>> find(const Key& key) const {
    const Entry& entry = entries_[key.index];
    if (entry.words != key.words) return std::nullopt;
    return std::span<const TokenId>(entry.tokens.data(), entry.token_count);
  }

  // Does nothing where there are too many tokens.
  void insert(const Key& key, std::span<const TokenId> tokens) {
    if (tokens.size() > kTokensMax) return;
    Entry& entry = entries_[key.index];
    entry.words = key.words;
    std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
    entry.token_count = static_cast<uint32_t>(tokens.size());
  }

 private:
  // 1 MB: as much as a core keeps near.
  static constexpr int kIndexBits = 14;
  struct alignas(64) Entry {
    std::array<uint64_t, 4> words = {};  // size 0: free
    std::array<TokenId, kTokensMax> tokens = {};
    uint32_t token_count = 0;
  };

  // Keeps the bytes of the i-th 8 that belong to a word of `size`.
  static uint64_t mask_of(size_t size, size_t i) {
    if (size >= 8 * (i + 1)) return ~uint64_t{0};
    return size <= 8 * i ? 0 : ~uint64_t{0} >> (64 - 8 * (size - 8 * i));
  }

  std::vector<Entry> entries_;
};

}  // namespace pelton
