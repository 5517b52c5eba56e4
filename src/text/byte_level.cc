#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace pelton {
namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr char32_t kCodePointEnd = 256 + 68;  // the 68 other bytes are spelled U+0100, U+0101, …

struct Spellings {
  std::array<int, kCodePointEnd> byte_of;  // by code point; −1: none
  std::array<int, 256> code_point_of;      // by byte
};

constexpr Spellings make_spellings() {
  Spellings spellings = {};
  spellings.byte_of.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int code_point = stands_for_itself(byte) ? byte : next++;
    spellings.code_point_of[static_cast<size_t>(byte)] = code_point;
    spellings.byte_of[static_cast<size_t>(code_point)] = byte;
  }
  return spellings;
}

constexpr Spellings kSpellings = make_spellings();

}  // namespace

std::optional<std::string> bytes_of_byte_level(std::string_view spelling) {
  std::string bytes;
  while (!spelling.empty()) {
    const Utf8Part part = next_utf8_part(spelling);
    if (part.state != Utf8State::kCharacter) return std::nullopt;
    const char32_t code_point = code_point_of(spelling.substr(0, part.size));
    if (code_point >= kCodePointEnd || kSpellings.byte_of[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kSpellings.byte_of[code_point]);
    spelling.remove_prefix(part.size);
  }
  return bytes;
}

// All code points below U+0144: one or two bytes in UTF-8.
std::string byte_level_of(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes) {
    const int code_point = kSpellings.code_point_of[static_cast<unsigned char>(byte)];
    if (code_point < 0x80) {
      spelling += static_cast<char>(code_point);
    } else {
      spelling += static_cast<char>(0xC0 | code_point >> 6);
      spelling += static_cast<char>(0x80 | (code_point & 63));
    }
  }
  return spelling;
}

}  // namespace pelton
