// GPT-2's printable spelling of bytes (`bytes_to_unicode` of its encoder.py): each byte is one printable character.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pelton {

// std::nullopt: a character that stands for no byte, so this is no byte-level spelling.
std::optional<std::string> bytes_of_byte_level(std::string_view spelling);
std::string byte_level_of(std::string_view bytes);

}  // namespace pelton
