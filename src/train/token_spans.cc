#include "train/token_spans.h"

namespace pelton {
namespace {

bool is_white(char letter) { return letter == ' ' || letter == '\n' || letter == '\t' || letter == '\r'; }

}  // namespace

std::optional<std::vector<TextSpan>> token_spans(const Tokenizer& tokenizer, std::string_view text,
                                                 std::span<const TokenId> tokens) {
  std::vector<TextSpan> spans;
  spans.reserve(tokens.size());
  size_t position = 0;
  for (const TokenId token : tokens) {
    std::string_view bytes = tokenizer.token_bytes(token);
    const size_t begin = position;
    if (!text.substr(position).starts_with(bytes) && bytes.starts_with(' ') &&
        text.substr(position).starts_with(bytes.substr(1))) {
      bytes.remove_prefix(1);
    }
    while (tokenizer.is_special(token) && !text.substr(position).starts_with(bytes) && position < text.size() &&
           is_white(text[position])) {
      ++position;
    }
    if (!text.substr(position).starts_with(bytes)) return std::nullopt;
    position += bytes.size();
    spans.push_back({begin, position});
  }
  // What the last control token swallowed on its right.
  while (position < text.size() && is_white(text[position])) ++position;
  if (position != text.size()) return std::nullopt;
  return spans;
}

}  // namespace pelton
