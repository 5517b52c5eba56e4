// What the regular expressions of tokenizers ask of a code point: the general categories as far as they tell them
// apart, and white space, as the engine of the reference library (Oniguruma) has them; a test compares all code points.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pelton {

enum class UnicodeClass : uint8_t {
  kOther,
  kUpper,     // \p{Lu}, \p{Lt}
  kLower,     // \p{Ll}
  kCaseless,  // \p{Lm}, \p{Lo}
  kMark,      // \p{M}
  kNumber,    // \p{N}
  kSpace,     // \s
  kPunctuation,
  kSymbol,
};

// A set of classes, as a bit each.
using UnicodeClasses = uint32_t;
template <typename... Class>
constexpr UnicodeClasses classes(Class... members) {
  return ((UnicodeClasses{1} << static_cast<unsigned>(members)) | ...);
}
inline constexpr UnicodeClasses kLetterClasses =
    classes(UnicodeClass::kUpper, UnicodeClass::kLower, UnicodeClass::kCaseless);
inline constexpr UnicodeClasses kNumberClasses = classes(UnicodeClass::kNumber);
inline constexpr UnicodeClasses kSpaceClasses = classes(UnicodeClass::kSpace);

extern const std::array<uint32_t, 3798> kUnicodeClassRanges;  // tools/make_unicode_classes.py

// A flat table: one load for each character. 1.1 MB, of which a text touches what it uses; made on first use.
class UnicodeClassTable {
 public:
  static const UnicodeClassTable& instance();

  UnicodeClass class_of(char32_t code_point) const {
    return static_cast<UnicodeClass>(table_[code_point] & kClassMask);
  }
  bool is_in(char32_t code_point, UnicodeClasses set) const {
    return (set >> (table_[code_point] & kClassMask) & 1) != 0;
  }
  // Nothing but such characters: Unicode's canonical composition (NFC) leaves the text as it is. A false answer says
  // nothing.
  bool is_nfc_inert(char32_t code_point) const { return (table_[code_point] & kNfcInert) != 0; }

 private:
  UnicodeClassTable();

  static constexpr uint8_t kClassMask = 0x0F;
  static constexpr uint8_t kNfcInert = 0x10;
  std::array<uint8_t, 0x110000> table_;
};

// A character of valid UTF-8.
struct DecodedCharacter {
  char32_t code_point;
  size_t size;
};
// `text` must hold a whole character.
inline DecodedCharacter decode_character(const char* text) {
  const auto byte = [text](size_t index) { return static_cast<char32_t>(static_cast<unsigned char>(text[index])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

// `text` is valid UTF-8 and Unicode's canonical composition would not change it, as can be told without doing it.
bool is_surely_nfc(std::string_view text);

}  // namespace pelton
