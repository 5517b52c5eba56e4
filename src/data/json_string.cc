#include "data/json_string.h"

#include <simdjson.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace pelton::data {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101u;
constexpr uint64_t kHighBits = 0x8080808080808080u;

// The high bit of each byte that is a quote, a backslash or below a space; of bytes of 128 and more, none. (The lowest
// such bit is exact, those above it may be false: the caller looks at the lowest alone.)
uint64_t bytes_to_escape(uint64_t word) {
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t backslash = word ^ (kOnes * '\\');
  return ((quote - kOnes) | (backslash - kOnes) | (word - kOnes * 0x20)) & ~word & kHighBits;
}

// How many bytes at the front need no escape.
size_t plain_length(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if (const uint64_t found = bytes_to_escape(word); found != 0) {
      return i + static_cast<size_t>(std::countr_zero(found)) / 8;
    }
  }
  for (; i < text.size(); ++i) {
    const char byte = text[i];
    if (byte == '"' || byte == '\\' || static_cast<unsigned char>(byte) < 0x20) break;
  }
  return i;
}

void append_escape(std::string& out, char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      break;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[static_cast<unsigned char>(byte) >> 4];
  out += kDigits[static_cast<unsigned char>(byte) & 15];
}

// The length of the valid character at the front; 0: there is none (The Unicode Standard, table 3-7).
size_t valid_character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool is_overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool is_surrogate = first == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool is_out_of_range = (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
    return continues(1) && continues(2) && continues(3) && !is_out_of_range ? 4 : 0;
  }
  return 0;
}

std::string with_replacements(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t length = valid_character_length(text);
    if (length == 0) valid += "\xEF\xBF\xBD";
    if (length > 0) valid += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

}  // namespace

void append_valid_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (true) {
    const size_t plain = plain_length(text);
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    append_escape(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

void append_json_string(std::string& out, std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return append_valid_json_string(out, text);
  append_valid_json_string(out, with_replacements(text));
}

}  // namespace pelton::data
