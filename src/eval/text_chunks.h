// A text cut for measuring perplexity as llama.cpp's `llama-perplexity` does, so that numbers can be compared:
// tokenised as a whole (special tokens' spellings are ordinary text), cut into chunks of one length, the rest at the
// end dropped. Each chunk is run alone, and only tokens of its second half are scored, which all have some context.
// Where the tokenizer begins texts with BOS, that replaces the first token of each chunk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace pelton {

struct ChunkOptions {
  static constexpr int64_t kTokensMin = 8;  // leaves three to score, so that there is a spread

  int64_t token_count = 512;               // of each chunk, at least kTokensMin
  std::optional<int64_t> chunk_count_max;  // absent: all that the text gives
};

class TextChunks {
 public:
  // Errors: kInvalidArgument: `text` gives fewer tokens than one chunk (names both), is not UTF-8 (names the byte), or
  // this vocabulary cannot encode it.
  TextChunks(const Tokenizer& tokenizer, std::string_view text, const ChunkOptions& options);

  int64_t count() const { return count_; }
  int64_t token_count() const { return token_count_; }  // of each chunk
  std::span<const int32_t> operator[](int64_t chunk) const;
  std::span<const int32_t> all_tokens() const { return tokens_; }

  // Rows [first_scored_row, token_count - 1) of a chunk predict tokens that are scored: row i predicts token i + 1.
  int64_t first_scored_row() const { return token_count_ / 2; }
  int64_t scored_per_chunk() const { return token_count_ - 1 - first_scored_row(); }
  // What the scored tokens of all chunks stand for.
  int64_t scored_bytes() const { return scored_bytes_; }

 private:
  int64_t token_count_;
  int64_t count_;
  int64_t scored_bytes_ = 0;
  std::vector<int32_t> tokens_;  // [count, token_count]
};

}  // namespace pelton
