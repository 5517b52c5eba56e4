// UTF-8 as bytes that come in pieces.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pelton {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8State { kCharacter, kInvalid, kUnfinished };

// What begins at the start of `bytes` (not empty): a character of `size` bytes, a maximal part of that size which
// nothing can complete (Unicode 15, section 3.9, table 3-8), or the beginning of a character of which more may come.
struct Utf8Part {
  Utf8State state;
  size_t size;
};
Utf8Part next_utf8_part(std::string_view bytes);

// Calls visit(position, character) for each character, with U+FFFD for each part that is none; an unfinished one counts
// as such.
template <typename Visit>
void for_each_character(std::string_view text, const Visit& visit) {
  for (size_t position = 0; position < text.size();) {
    const Utf8Part part = next_utf8_part(text.substr(position));
    visit(position, part.state == Utf8State::kCharacter ? text.substr(position, part.size) : kReplacementCharacter);
    position += part.size;
  }
}

// The first byte that is not UTF-8; an unfinished character counts.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Takes from the front of `pending` all that is decided, with U+FFFD for each bad part. Leaves at most 3 bytes.
std::string take_decided_utf8(std::string& pending);

// The code point of a character that next_utf8_part() called one.
char32_t code_point_of(std::string_view character);
void append_utf8(std::string& text, char32_t code_point);

}  // namespace pelton
