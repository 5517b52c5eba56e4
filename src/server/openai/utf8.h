// Bytes of single tokens, which may be parts of a character, as text that JSON can carry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pelton::openai {

// The length of the valid UTF-8 character at the beginning of `bytes`; 0: there is none (RFC 3629).
size_t utf8_character_bytes(std::string_view bytes);
bool is_utf8(std::string_view bytes);
// Each byte that belongs to no character becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view bytes);
// Characters that begin in `bytes`, whole or cut off.
int64_t utf8_begin_count(std::string_view bytes);

}  // namespace pelton::openai
