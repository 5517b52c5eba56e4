#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace pelton {
namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr char32_t kCodePointEnd = 256 + 68;  // the 68 other bytes are spelled U+0100, U+0101, …

constexpr std::array<int, kCodePointEnd> make_byte_of_code_point() {
  std::array<int, kCodePointEnd> table = {};
  table.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) table[stands_for_itself(byte) ? byte : next++] = byte;
  return table;
}

constexpr auto kByteOfCodePoint = make_byte_of_code_point();

}  // namespace

std::optional<std::string> bytes_of_byte_level(std::string_view spelling) {
  std::string bytes;
  while (!spelling.empty()) {
    const Utf8Part part = next_utf8_part(spelling);
    if (part.state != Utf8State::kCharacter) return std::nullopt;
    const char32_t code_point = code_point_of(spelling.substr(0, part.size));
    if (code_point >= kCodePointEnd || kByteOfCodePoint[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kByteOfCodePoint[code_point]);
    spelling.remove_prefix(part.size);
  }
  return bytes;
}

}  // namespace pelton
