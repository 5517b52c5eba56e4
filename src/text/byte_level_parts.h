// A tokenizer.json whose every part our own encoder knows (byte_level_tokenizer.h), taken apart for it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/pair_merger.h"
#include "text/token_index.h"
#include "text/tokenizer_json.h"
#include "text/word_expression.h"

namespace pelton {

struct ByteLevelParts {
  bool normalizes_nfc = false;
  std::vector<const WordExpression*> cuts;  // each cuts the pieces of the one before
  bool ignores_merges = false;              // a word that is a token as a whole is that token
  TokenIndex index;                         // tokens of the model by the bytes that they stand for
  PairMerger merger;
  std::map<std::string, TokenId, std::less<>> unspelled;  // tokens of the model that stand for no bytes
  std::vector<TokenId> prefix, suffix;                    // what `add_special` puts around a text
};

// std::nullopt: something in it is another way than our encoder's, or does not fit together; the reference library then
// reads it, or says what is wrong.
std::optional<ByteLevelParts> read_byte_level_parts(const json::object& tokenizer, const TokenizerFacts& facts);

}  // namespace pelton
