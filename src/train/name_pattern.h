// Patterns over names, in which * stands for anything.
#pragma once

#include <string_view>

namespace pelton {

inline bool matches_pattern(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  for (size_t begin = star; begin <= text.size(); ++begin) {
    if (matches_pattern(pattern.substr(star + 1), text.substr(begin))) return true;
  }
  return false;
}

}  // namespace pelton
