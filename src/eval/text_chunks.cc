#include "eval/text_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace pelton {
namespace {

std::optional<TokenId> bos_that_begins_texts(const Tokenizer& tokenizer) {
  const std::vector<TokenId> of_nothing = tokenizer.encode("", {});
  if (of_nothing.empty() || of_nothing.front() != tokenizer.bos()) return std::nullopt;
  return of_nothing.front();
}

int64_t choose_count(int64_t text_token_count, const ChunkOptions& options) {
  if (text_token_count < options.token_count) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the text has {} tokens, fewer than one chunk of {}; give a longer text or a smaller chunk",
                            text_token_count, options.token_count));
  }
  const int64_t count = text_token_count / options.token_count;
  return options.chunk_count_max ? std::min(count, *options.chunk_count_max) : count;
}

}  // namespace

TextChunks::TextChunks(const Tokenizer& tokenizer, std::string_view text, const ChunkOptions& options)
    : token_count_(options.token_count) {
  CHECK(options.token_count >= ChunkOptions::kTokensMin);
  CHECK(!options.chunk_count_max || *options.chunk_count_max >= 1);
  const std::vector<TokenId> encoded = tokenizer.encode(text, {.parse_special = false});
  count_ = choose_count(static_cast<int64_t>(encoded.size()), options);
  const std::optional<TokenId> bos = bos_that_begins_texts(tokenizer);
  tokens_.reserve(static_cast<size_t>(count_ * token_count_));
  for (int64_t i = 0; i < count_ * token_count_; ++i) {
    const int64_t row = i % token_count_;
    const TokenId token = row == 0 && bos ? *bos : encoded[static_cast<size_t>(i)];
    tokens_.push_back(index_of(token));
    if (row > first_scored_row()) scored_bytes_ += static_cast<int64_t>(tokenizer.token_bytes(token).size());
  }
}

std::span<const int32_t> TextChunks::operator[](int64_t chunk) const {
  DCHECK(chunk >= 0 && chunk < count_);
  return std::span(tokens_).subspan(static_cast<size_t>(chunk * token_count_), static_cast<size_t>(token_count_));
}

}  // namespace pelton
