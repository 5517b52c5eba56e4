// What word splitting and quality filters ask of a character, by the definitions of Python, spaCy and datatrove, whose
// published thresholds count on them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "text/utf8.h"

namespace pelton::data {

using CharacterClass = uint16_t;
inline constexpr CharacterClass kSpace = 1 << 0;   // Python's str.isspace
inline constexpr CharacterClass kLetter = 1 << 1;  // Python's str.isalpha
inline constexpr CharacterClass kLower = 1 << 2;   // a letter that is lower or has no case
inline constexpr CharacterClass kUpper = 1 << 3;   // a letter that is upper or has no case
inline constexpr CharacterClass kAsciiDigit = 1 << 4;
inline constexpr CharacterClass kPunctuation = 1 << 5;  // spaCy's PUNCT
inline constexpr CharacterClass kQuote = 1 << 6;        // spaCy's QUOTES
inline constexpr CharacterClass kCurrency = 1 << 7;     // spaCy's CURRENCY
inline constexpr CharacterClass kIcon = 1 << 8;         // category So
inline constexpr CharacterClass kSign = 1 << 9;         // datatrove's PUNCTUATION_SET
inline constexpr CharacterClass kTerminal = 1 << 10;    // datatrove's TERMINAL_PUNCTUATION
inline constexpr CharacterClass kCategoryP = 1 << 11;   // Unicode's punctuation
inline constexpr CharacterClass kHyphen = 1 << 12;      // spaCy's HYPHENS of one character

namespace internal {
constexpr CharacterClass class_of_ascii(char c) {
  constexpr std::string_view kSpacyPunctuation = ",:;!?()[]{}<>_#*&";
  constexpr std::string_view kSigns = "!/\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~";
  constexpr std::string_view kCategories = "!\"#%&'()*,-./:;?@[\\]_{}";
  const auto is_among = [c](std::string_view set) { return set.find(c) != std::string_view::npos; };
  const bool is_upper = c >= 'A' && c <= 'Z';
  const bool is_lower = c >= 'a' && c <= 'z';
  CharacterClass classes = 0;
  if ((c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20)) classes |= kSpace;
  if (is_upper || is_lower) classes |= kLetter;
  if (is_lower) classes |= kLower;
  if (is_upper) classes |= kUpper;
  if (c >= '0' && c <= '9') classes |= kAsciiDigit;
  if (is_among(kSpacyPunctuation)) classes |= kPunctuation;
  if (is_among("'\"`,")) classes |= kQuote;
  if (c == '$') classes |= kCurrency;
  // datatrove's ranges of controls: 0 to 8, 11 and 12, 13 to 31, 127 (to 159)
  if (is_among(kSigns) || (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F) classes |= kSign;
  if (is_among(".!?")) classes |= kTerminal;
  if (is_among(kCategories)) classes |= kCategoryP;
  if (is_among("-~")) classes |= kHyphen;
  return classes;
}
inline constexpr auto kAsciiClasses = [] {
  std::array<CharacterClass, 128> classes{};
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = class_of_ascii(static_cast<char>(c));
  return classes;
}();
}  // namespace internal

CharacterClass character_class(char32_t code_point);
inline CharacterClass ascii_class(unsigned char byte) { return internal::kAsciiClasses[byte]; }

// A character at an end of a text; of a byte that is none, one byte with the class of U+FFFD. `text` is not empty.
struct EndCharacter {
  char32_t code_point;
  size_t size;
  CharacterClass classes;
};
EndCharacter first_character_beyond_ascii(std::string_view text);
EndCharacter last_character_beyond_ascii(std::string_view text);
inline EndCharacter first_character(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  return byte < 0x80 ? EndCharacter{byte, 1, ascii_class(byte)} : first_character_beyond_ascii(text);
}
inline EndCharacter last_character(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.back());
  return byte < 0x80 ? EndCharacter{byte, 1, ascii_class(byte)} : last_character_beyond_ascii(text);
}

// Code points; a byte that is no UTF-8 counts as one.
size_t count_characters(std::string_view text);

// Python's str.strip(), str.split() and str.splitlines().
std::string_view strip(std::string_view text);
template <typename Visit>
void for_each_space_separated(std::string_view text, const Visit& visit);
// Without the line breaks. Also breaks at vertical tab, form feed, FS, GS, RS, NEL, LS and PS.
template <typename Visit>
void for_each_line(std::string_view text, const Visit& visit);

// Bytes of the white space, or of the line break, that `text` begins with; 0: none.
inline size_t leading_space(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x80) return (ascii_class(byte) & kSpace) != 0 ? 1 : 0;
  if (byte != 0xC2 && (byte < 0xE1 || byte > 0xE3)) return 0;  // no white space begins so
  const EndCharacter character = first_character(text);
  return (character.classes & kSpace) != 0 ? character.size : 0;
}
size_t leading_line_break(std::string_view text);
inline bool may_break_line(unsigned char byte) {
  return byte <= '\r' || (byte >= 0x1C && byte <= 0x1E) || byte == 0xC2 || byte == 0xE2;
}

template <typename Visit>
void for_each_space_separated(std::string_view text, const Visit& visit) {
  size_t begin = 0;
  size_t position = 0;
  while (position < text.size()) {
    const size_t space = leading_space(text.substr(position));
    if (space == 0) {
      ++position;  // within a character, no byte begins white space
      continue;
    }
    if (position != begin) visit(text.substr(begin, position - begin));
    position += space;
    begin = position;
  }
  if (position != begin) visit(text.substr(begin));
}

template <typename Visit>
void for_each_line(std::string_view text, const Visit& visit) {
  size_t begin = 0;
  for (size_t position = 0; position < text.size();) {
    const bool may_break = may_break_line(static_cast<unsigned char>(text[position]));
    const size_t size = may_break ? leading_line_break(text.substr(position)) : 0;
    if (size == 0) {
      ++position;
      continue;
    }
    visit(text.substr(begin, position - begin));
    position += size;
    begin = position;
  }
  if (begin != text.size()) visit(text.substr(begin));
}

}  // namespace pelton::data
