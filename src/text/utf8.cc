#include "text/utf8.h"

#include <cstdint>
#include <cstring>

namespace pelton {
namespace {

struct Range {
  unsigned char low, high;
};

bool holds(Range range, char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= range.low && value <= range.high;
}

// Bytes of the character that `lead` begins; 0: none begins so.
size_t sequence_size(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// The second byte excludes overlong forms, surrogates and what is above U+10FFFF (Unicode 15, table 3-7).
Range second_byte_range(unsigned char lead) {
  switch (lead) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

}  // namespace

Utf8Part next_utf8_part(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const size_t size = sequence_size(lead);
  if (size == 0) return {Utf8State::kInvalid, 1};
  for (size_t i = 1; i < size; ++i) {
    if (i == bytes.size()) return {Utf8State::kUnfinished, i};
    const Range range = i == 1 ? second_byte_range(lead) : Range{0x80, 0xBF};
    if (!holds(range, bytes[i])) return {Utf8State::kInvalid, i};
  }
  return {Utf8State::kCharacter, size};
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    uint64_t eight = 0;
    if (text.size() - position >= sizeof eight) {
      std::memcpy(&eight, text.data() + position, sizeof eight);
      if ((eight & 0x8080808080808080) == 0) {  // ASCII
        position += sizeof eight;
        continue;
      }
    }
    const Utf8Part part = next_utf8_part(text.substr(position));
    if (part.state != Utf8State::kCharacter) return position;
    position += part.size;
  }
  return std::nullopt;
}

std::string take_decided_utf8(std::string& pending) {
  std::string decided;
  decided.reserve(pending.size());
  const std::string_view bytes = pending;
  size_t position = 0;
  while (position < bytes.size()) {
    const Utf8Part part = next_utf8_part(bytes.substr(position));
    if (part.state == Utf8State::kUnfinished) break;
    decided += part.state == Utf8State::kCharacter ? bytes.substr(position, part.size) : kReplacementCharacter;
    position += part.size;
  }
  pending.erase(0, position);
  return decided;
}

char32_t code_point_of(std::string_view character) {
  const auto byte = [&](size_t index) { return static_cast<char32_t>(static_cast<unsigned char>(character[index])); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)); };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xC0 | code_point >> 6);
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xE0 | code_point >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0 | code_point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace pelton
