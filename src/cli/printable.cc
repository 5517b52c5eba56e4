#include "cli/printable.h"

#include <fmt/format.h>

#include "text/utf8.h"

namespace pelton::cli {
namespace {

std::string escaped(char character) {
  if (character == '\n') return "\\n";
  if (character == '\t') return "\\t";
  if (character == '\r') return "\\r";
  return fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
}

// C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey too.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  return first < 0x20 || first == 0x7F || (first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string valid;
  for_each_character(text, [&](size_t, std::string_view character) { valid += character; });
  return valid;
}

std::string one_line(std::string_view text, size_t bytes_max) {
  std::string line;
  bool is_cut = false;
  for_each_character(text, [&](size_t, std::string_view character) {
    const std::string shown = is_control(character) ? escaped(character.back()) : std::string(character);
    is_cut = is_cut || line.size() + shown.size() > bytes_max;
    if (!is_cut) line += shown;
  });
  return is_cut ? line + "…" : line;
}

}  // namespace pelton::cli
