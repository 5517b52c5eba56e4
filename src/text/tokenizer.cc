#include "text/tokenizer.h"

#include "text/utf8.h"

namespace pelton {

std::string Tokenizer::decode(std::span<const TokenId> tokens, bool skip_special) const {
  std::string bytes;
  for (const TokenId token : tokens) {
    if (!skip_special || !is_special(token)) bytes += token_bytes(token);
  }
  if (strips_first_space() && bytes.starts_with(' ')) bytes.erase(0, 1);
  std::string text = take_decided_utf8(bytes);
  if (!bytes.empty()) text += kReplacementCharacter;
  return text;
}

}  // namespace pelton
