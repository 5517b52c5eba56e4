#include "io/hub/glob.h"

#include <cstddef>

namespace pelton {
namespace {

// The place after the set that begins at `begin` (a '['), or npos where it has no end. A ']' right after "[" or "[!" is
// a member.
size_t end_of_set(std::string_view pattern, size_t begin) {
  size_t i = begin + 1;
  if (i < pattern.size() && pattern[i] == '!') ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  const size_t end = pattern.find(']', i);
  return end == std::string_view::npos ? end : end + 1;
}

bool set_has(std::string_view set, char letter) {  // `set` is what stands between the brackets
  const bool is_inverted = set.starts_with('!');
  if (is_inverted) set.remove_prefix(1);
  const auto byte = static_cast<unsigned char>(letter);
  bool is_member = false;
  for (size_t i = 0; i < set.size(); ++i) {
    const auto first = static_cast<unsigned char>(set[i]);
    auto last = first;
    if (i + 2 < set.size() && set[i + 1] == '-') {
      last = static_cast<unsigned char>(set[i + 2]);
      i += 2;
    }
    is_member = is_member || (first <= byte && byte <= last);
  }
  return is_member != is_inverted;
}

// The length of the pattern's part at `i` (no '*') that matches `letter`; 0: it does not.
size_t one_letter(std::string_view pattern, size_t i, char letter) {
  if (pattern[i] == '?') return 1;
  if (pattern[i] == '[') {
    const size_t end = end_of_set(pattern, i);
    if (end != std::string_view::npos) return set_has(pattern.substr(i + 1, end - i - 2), letter) ? end - i : 0;
  }
  return pattern[i] == letter ? 1 : 0;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t in_pattern = 0;
  size_t in_text = 0;
  // Only the last '*' can need more than it took: what came before it has matched as early as possible.
  size_t after_star = std::string_view::npos;
  size_t star_text = 0;
  while (in_text < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      after_star = ++in_pattern;
      star_text = in_text;
      continue;
    }
    const size_t length = in_pattern < pattern.size() ? one_letter(pattern, in_pattern, text[in_text]) : 0;
    if (length > 0) {
      in_pattern += length;
      ++in_text;
    } else if (after_star != std::string_view::npos) {
      in_pattern = after_star;
      in_text = ++star_text;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

bool has_wildcard(std::string_view pattern) { return pattern.find_first_of("*?[") != std::string_view::npos; }

}  // namespace pelton
