// The regular expressions by which published byte-level tokenizers cut a text into words, each as a scanner written by
// hand: one pass, no backtracking, any text in linear time.
#pragma once

#include <span>
#include <string_view>

#include "text/unicode_class.h"

namespace pelton {

struct WordExpression {
  // As tokenizer.json spells it, character by character; several spellings may mean the same.
  std::string_view spelling;
  // The end of the piece that begins at `begin`: a match, or what lies before the next one. Past `begin`. The text up
  // to `end` is all that look-ahead sees: valid UTF-8, not empty.
  const char* (*piece_end)(const UnicodeClassTable& table, const char* begin, const char* end);
  bool covers_all;  // every piece is a match
};

// nullptr: none of them.
const WordExpression* find_word_expression(std::string_view spelling);
std::span<const WordExpression> word_expressions();

// What cuts without being an expression: the ByteLevel pre-tokenizer's own (GPT-2's), and Digits.
extern const WordExpression kGpt2Expression;
extern const WordExpression kEachDigit;  // each digit alone
extern const WordExpression kDigitRuns;  // runs of them together

}  // namespace pelton
