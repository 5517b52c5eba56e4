// Names out of files, made safe for a message: they may hold any bytes and any number of them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace pelton {

// In double quotes; control characters and quotes escaped as \xNN, cut after 80 bytes.
inline std::string in_quotes(std::string_view name) {
  constexpr size_t kBytesMax = 80;
  std::string text = "\"";
  for (const char letter : name.substr(0, kBytesMax)) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool is_plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
    text += is_plain ? std::string(1, letter) : fmt::format("\\x{:02x}", byte);
  }
  return text + (name.size() > kBytesMax ? "…\"" : "\"");
}

}  // namespace pelton
