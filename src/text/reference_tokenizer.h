// A Tokenizer for everything that our own encoder does not know: Hugging Face's library behind the bridge.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bridge_call.h"
#include "text/described_tokenizer.h"

namespace pelton {

class ReferenceTokenizer final : public DescribedTokenizer {
 public:
  // `tokenizer_facts` are those of `tokenizer_json`. Errors: as Tokenizer::from_json().
  ReferenceTokenizer(std::string_view tokenizer_json, TokenizerFacts tokenizer_facts);

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override;
  std::vector<TokenId> encode_with(std::string_view text, std::span<const AddedTokenMatch> matches) const override;
  std::optional<TokenId> find(std::string_view token) const override;
  std::string_view encoder() const override { return "Hugging Face's tokenizers"; }

 private:
  std::string tag(size_t index) const;
  std::vector<TokenId> encode_tagged(std::string_view text, std::span<const AddedTokenMatch> matches,
                                     bool add_special) const;

  BridgeTokenizer full_;
  // Knows no added token by its text, but each by a tag that nobody can write (see encode_with): shares full_'s model.
  BridgeTokenizer tagged_;
  std::string tag_secret_;
  size_t addition_count_ = 0;  // tokens that the post-processor adds to a text
};

}  // namespace pelton
