// A Tokenizer for everything that our own encoder does not know: Hugging Face's library behind the bridge.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_token_matcher.h"
#include "text/bridge_call.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace pelton {

class ReferenceTokenizer final : public Tokenizer {
 public:
  // `facts` are those of `tokenizer_json`. Errors: as Tokenizer::from_json().
  ReferenceTokenizer(std::string_view tokenizer_json, TokenizerFacts facts, std::optional<TokenId> bos,
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
  std::string_view encoder() const override { return "Hugging Face's tokenizers"; }

 private:
  std::string tag(size_t index) const;
  std::vector<TokenId> encode_tagged(std::string_view text, std::span<const AddedTokenMatch> matches,
                                     bool add_special) const;

  TokenizerFacts facts_;
  AddedTokenMatcher matcher_;
  std::optional<TokenId> bos_, eos_;
  BridgeTokenizer full_;
  // Knows no added token by its text, but each by a tag that nobody can write (see encode_with): shares full_'s model.
  BridgeTokenizer tagged_;
  std::string tag_secret_;
  size_t addition_count_ = 0;  // tokens that the post-processor adds to a text
};

}  // namespace pelton
