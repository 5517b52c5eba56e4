// Which bytes of a text each of its tokens stands for.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace pelton {

// A half-open range of a text's bytes.
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;

  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

// One span a token, back to back. A space that the tokenizer put before a word belongs to no byte; white space that a
// control token swallowed belongs to that token. None: the tokens do not spell the text (its normaliser rewrites it).
std::optional<std::vector<TextSpan>> token_spans(const Tokenizer& tokenizer, std::string_view text,
                                                 std::span<const TokenId> tokens);

}  // namespace pelton
