// What a grammar accepts, asked without a model: over a vocabulary of single bytes.
#pragma once

#include <memory>
#include <string_view>

#include "text/grammar.h"

namespace pelton {

// Token i is byte i; token 256 ends.
std::shared_ptr<const Tokenizer> byte_tokenizer();

class GrammarCheck {
 public:
  // Errors: those of GrammarCompiler::compile().
  explicit GrammarCheck(const GrammarSource& source);

  // Whether this text, all of it, is an answer. Error kInvalidArgument: the grammar is too complex for it.
  bool accepts(std::string_view text) const;

 private:
  std::shared_ptr<const Grammar> grammar_;
};

}  // namespace pelton
