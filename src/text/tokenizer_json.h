// What Pelton itself must know of a tokenizer.json: how ids become text again, and which tokens are matched before the
// model. The way from text to ids is the library's business.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/pair_template.h"
#include "text/tokenizer.h"

namespace pelton {

struct TokenizerFacts {
  std::vector<std::string> token_bytes;  // by id; "" for ids that no token has
  std::vector<AddedToken> added_tokens;  // by id
  std::vector<bool> is_special;          // by id
  std::optional<TokenId> unknown;        // what the model itself may answer with
  std::optional<TokenId> bos, eos;       // where GGUF's metadata say them; no tokenizer.json does
  std::optional<PairTemplate> pair_template;
  bool strips_first_space = false;
  std::string kind;

  std::string_view bytes_of(TokenId token) const;  // "" for ids that no token has
  bool is_special_token(TokenId token) const;
};

// Errors: kUnsupported (names the model or decoder that Pelton does not know), kCorruptFile.
TokenizerFacts read_tokenizer_facts(const json::object& tokenizer);

}  // namespace pelton
