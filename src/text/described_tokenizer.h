// What all tokenizers answer that were made from a tokenizer.json: from the facts that were read off it.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "text/added_token_matcher.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace pelton {

class DescribedTokenizer : public Tokenizer {
 public:
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view text) const final {
    return matcher_.find(text, [](const AddedTokenMatch&) { return true; });
  }
  TokenPair encode_pair(std::string_view first, std::string_view second) const final;
  std::string_view token_bytes(TokenId token) const final { return facts_.bytes_of(token); }
  int32_t vocabulary_size() const final { return static_cast<int32_t>(facts_.token_bytes.size()); }
  bool is_special(TokenId token) const final { return facts_.is_special_token(token); }
  bool strips_first_space() const final { return facts_.strips_first_space; }
  std::span<const AddedToken> added_tokens() const final { return facts_.added_tokens; }
  std::optional<TokenId> bos() const final { return facts_.bos; }
  std::optional<TokenId> eos() const final { return facts_.eos; }
  std::string_view kind() const final { return facts_.kind; }

 protected:
  explicit DescribedTokenizer(TokenizerFacts facts) : facts_(std::move(facts)), matcher_(facts_.added_tokens) {}

  // Added tokens that are no control tokens: they count in ordinary text too.
  std::vector<AddedTokenMatch> find_ordinary_added_tokens(std::string_view text) const {
    return matcher_.find(text, [](const AddedTokenMatch& match) { return !match.token->is_special; });
  }
  const TokenizerFacts& facts() const { return facts_; }

 private:
  TokenizerFacts facts_;
  AddedTokenMatcher matcher_;  // of all added tokens
};

}  // namespace pelton
