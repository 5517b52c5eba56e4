#include "text/unicode_class.h"

#include <algorithm>
#include <memory>

namespace pelton {

UnicodeClassTable::UnicodeClassTable() {
  for (size_t i = 0; i < kUnicodeClassRanges.size(); ++i) {
    const size_t begin = kUnicodeClassRanges[i] / 32;
    const size_t end = i + 1 < kUnicodeClassRanges.size() ? kUnicodeClassRanges[i + 1] / 32 : table_.size();
    std::fill(table_.begin() + static_cast<std::ptrdiff_t>(begin), table_.begin() + static_cast<std::ptrdiff_t>(end),
              static_cast<uint8_t>(kUnicodeClassRanges[i] % 32));
  }
}

const UnicodeClassTable& UnicodeClassTable::instance() {
  static const std::unique_ptr<const UnicodeClassTable> table(new UnicodeClassTable);
  return *table;
}

bool is_surely_nfc(std::string_view text) {
  const UnicodeClassTable& table = UnicodeClassTable::instance();
  for (const char* at = text.data(); at < text.data() + text.size();) {
    if (static_cast<unsigned char>(*at) < 0x80) {
      ++at;
      continue;
    }
    const auto [code_point, size] = decode_character(at);
    if (!table.is_nfc_inert(code_point)) return false;
    at += size;
  }
  return true;
}

}  // namespace pelton
