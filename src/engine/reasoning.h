// The part of an answer before the answer: counted, and ended where its budget is used up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/answer_parser.h"
#include "text/token_id.h"
#include "text/tokenizer.h"

namespace pelton {

struct ReasoningOptions {
  std::string begin;                       // the text that the answer begins with, if it reasons; empty: the prompt did
  std::string end;                         // the text that ends it, as "</think>"
  std::vector<TokenId> closing;            // tokens that write it, put in the model's mouth: at least one
  std::optional<int64_t> token_count_max;  // the budget; absent: none
};

// Of an answer of this syntax, where its reasoning has a budget or a grammar comes after it; none: nothing has to be
// watched. A model that begins to reason by itself, and not by its template, begins with the grammar. Error
// kUnsupported: a budget, and the model doesn't reason.
std::optional<ReasoningOptions> reasoning_options(const AnswerSyntax& syntax, const Tokenizer& tokenizer,
                                                  bool has_grammar, std::optional<int64_t> token_count_max);

// One answer's.
class Reasoning {
 public:
  explicit Reasoning(ReasoningOptions options)
      : options_(std::move(options)), state_(options_.begin.empty() ? State::kOpen : State::kBefore) {}

  bool is_open() const { return state_ == State::kOpen; }
  // What the next token is, whatever the model says: `sampled` is what it says. Its budget is used up, or it would end
  // the whole answer before it began.
  TokenId choose(TokenId sampled, bool ends_answer);
  // The bytes of a token that came.
  void push(std::string_view bytes);

 private:
  enum class State { kBefore, kOpen, kOver };

  void look_for_begin();
  bool is_closing() const { return closed_count_ > 0; }

  ReasoningOptions options_;
  State state_;
  int64_t token_count_ = 0;
  size_t closed_count_ = 0;  // of `closing`
  std::string tail_;         // of the text: where the end, or all of the begin, may have begun
};

}  // namespace pelton
