// A vocabulary for tests that need text from tokens, and never tokens from text.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/bundle.h"
#include "text/tokenizer.h"

namespace pelton {

// Tokens 0, 1, 2, … stand for the given strings.
class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  // "a0 " to "z0 ", "a1 ", …
  static std::shared_ptr<const FakeTokenizer> with_size(int64_t vocabulary_size) {
    std::vector<std::string> tokens;
    for (int64_t i = 0; i < vocabulary_size; ++i) {
      tokens.push_back(fmt::format("{:c}{} ", static_cast<char>('a' + i % 26), i / 26));
    }
    return std::make_shared<FakeTokenizer>(std::move(tokens));
  }

  std::vector<TokenId> encode(std::string_view, const EncodeOptions&) const override { return {}; }
  std::vector<TokenId> encode_with(std::string_view, std::span<const AddedTokenMatch>) const override { return {}; }
  std::vector<AddedTokenMatch> find_added_tokens(std::string_view) const override { return {}; }
  std::string_view token_bytes(TokenId token) const override {
    const auto index = static_cast<size_t>(index_of(token));
    return index < tokens_.size() ? std::string_view(tokens_[index]) : std::string_view();
  }
  int32_t vocabulary_size() const override { return static_cast<int32_t>(tokens_.size()); }
  bool is_special(TokenId) const override { return false; }
  bool strips_first_space() const override { return false; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  std::span<const AddedToken> added_tokens() const override { return {}; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  std::string_view kind() const override { return "fake"; }

 private:
  std::vector<std::string> tokens_;
};

// A bundle without a model, for an Engine on a FakeRunner.
inline std::shared_ptr<const ModelBundle> fake_bundle(std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::vector<TokenId> end_tokens) {
  auto bundle = std::make_shared<ModelBundle>();
  bundle->name = "fake";
  bundle->tokenizer = std::move(tokenizer);
  bundle->end_tokens = std::move(end_tokens);
  return bundle;
}

}  // namespace pelton
