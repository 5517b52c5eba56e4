// The beginning of a text.
#pragma once

#include <cstddef>
#include <string_view>

namespace pelton::data {

// At most so many bytes, a whole number of characters.
inline std::string_view beginning_of(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

}  // namespace pelton::data
