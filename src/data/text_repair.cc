#include "data/text_repair.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/check.h"
#include "data/character_class.h"
#include "text/unicode_class.h"
#include "text/utf8.h"

namespace pelton::data {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_zero_width(char32_t c) {
  return c == 0x200B || c == 0xFEFF || c == 0x2060 || c == 0x00AD || c == 0x200E || c == 0x200F || c == 0x061C ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}
bool is_joiner(char32_t c) { return c == 0x200C || c == 0x200D; }
bool is_control(char32_t c) { return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7F && c < 0xA0); }

// The byte that stands for the character in Windows-1252; where that has none, in ISO 8859-1.
std::optional<unsigned char> windows_1252_byte(char32_t c) {
  constexpr std::array<char32_t, 32> kBlock80 = {0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
                                                 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};
  if (c < 0x100) return static_cast<unsigned char>(c);
  for (size_t i = 0; i < kBlock80.size(); ++i) {
    if (kBlock80[i] == c) return static_cast<unsigned char>(0x80 + i);
  }
  return std::nullopt;
}

// One round. The characters of a run that were the bytes of one character become it.
std::string repair_mojibake_once(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const EndCharacter first = first_character(text.substr(position));
    const std::optional<unsigned char> lead = windows_1252_byte(first.code_point);
    const size_t bytes = !lead || *lead < 0xC2 || *lead > 0xF4 ? 0 : *lead < 0xE0 ? 2 : *lead < 0xF0 ? 3 : 4;
    std::string original(bytes == 0 ? 0 : 1, bytes == 0 ? '\0' : static_cast<char>(*lead));
    size_t end = position + first.size;
    while (original.size() < bytes && end < text.size()) {
      const EndCharacter next = first_character(text.substr(end));
      const std::optional<unsigned char> byte = windows_1252_byte(next.code_point);
      if (!byte || *byte < 0x80 || *byte > 0xBF) break;
      original.push_back(static_cast<char>(*byte));
      end += next.size;
    }
    const bool was_one = bytes != 0 && original.size() == bytes && !find_invalid_utf8(original);
    if (was_one) {
      repaired += original;
      position = end;
    } else {
      repaired += text.substr(position, first.size);
      position += first.size;
    }
  }
  return repaired;
}

bool is_fence(std::string_view line) {
  const size_t begin = line.find_first_not_of(' ');
  return begin != std::string_view::npos &&
         (line.substr(begin).starts_with("```") || line.substr(begin).starts_with("~~~"));
}

// Calls visit(line, is_code) for each line, without its \n.
template <typename Visit>
void for_each_fenced_line(std::string_view text, const Visit& visit) {
  bool is_in_fence = false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const bool is_mark = is_fence(line);
    visit(line, is_in_fence || is_mark);
    is_in_fence ^= is_mark;
    begin = end + 1;
  }
}

// Runs of white space after the indent become one space, none at the end.
void append_single_spaced(std::string_view line, std::string& target) {
  const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
  const size_t line_begin = target.size();
  target += line.substr(0, indent);
  bool is_after_space = false;
  for (size_t position = indent; position < line.size();) {
    const std::string_view rest = line.substr(position);
    if (const size_t space = leading_space(rest); space != 0) {
      is_after_space = true;
      position += space;
      continue;
    }
    if (is_after_space && target.size() > line_begin) target += ' ';
    is_after_space = false;
    const size_t size = first_character(rest).size;
    target += rest.substr(0, size);
    position += size;
  }
  if (target.find_first_not_of(" \t", line_begin) == std::string::npos) target.resize(line_begin);
}

bool ends_in(std::string_view line, CharacterClass classes) {
  return !line.empty() && (last_character(line).classes & classes) != 0;
}

// May go on in the next line: no heading, list, table, or code.
bool is_prose(std::string_view line) {
  return !line.empty() && std::string_view(" \t#-*+>|•").find(line.front()) == std::string_view::npos;
}

}  // namespace

std::string normalize_unicode(std::string_view text, UnicodeForm form) {
  std::string valid(text);
  if (find_invalid_utf8(text)) {
    valid.clear();
    for_each_character(text, [&](size_t, std::string_view character) { valid += character; });
  }
  if (form == UnicodeForm::kNone || is_ascii(valid) || (form == UnicodeForm::kNfc && is_surely_nfc(valid)))
    return valid;
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer =
      form == UnicodeForm::kNfc ? icu::Normalizer2::getNFCInstance(error) : icu::Normalizer2::getNFKCInstance(error);
  CHECK(U_SUCCESS(error));
  std::string normalized;
  icu::StringByteSink<std::string> sink(&normalized, static_cast<int32_t>(valid.size()));
  normalizer->normalizeUTF8(0, icu::StringPiece(valid.data(), static_cast<int32_t>(valid.size())), sink, nullptr,
                            error);
  CHECK(U_SUCCESS(error));
  return normalized;
}

std::string remove_invisible(std::string_view text) {
  std::string visible;
  visible.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const EndCharacter here = first_character(text.substr(position));
    const size_t next = position + here.size;
    bool stays = !is_control(here.code_point) && !is_zero_width(here.code_point);
    if (is_joiner(here.code_point)) {
      const bool is_between = !visible.empty() && next < text.size();
      stays = is_between && static_cast<unsigned char>(visible.back()) >= 0x80 &&
              static_cast<unsigned char>(text[next]) >= 0x80;
    }
    if (here.code_point == 0x85) visible += '\n';  // NEL
    if (stays) visible += text.substr(position, here.size);
    position = next;
  }
  return visible;
}

std::string repair_mojibake(std::string_view text) {
  constexpr int kRoundsMax = 3;
  std::string repaired(text);
  for (int round = 0; round < kRoundsMax && !is_ascii(repaired); ++round) {
    std::string next = repair_mojibake_once(repaired);
    if (next == repaired) break;
    repaired = std::move(next);
  }
  return repaired;
}

std::string normalize_whitespace(std::string_view text) {
  std::string lines;  // with \n at their ends
  lines.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      lines += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      lines += '\n';
    }
  }
  std::string result;
  result.reserve(lines.size());
  size_t empty_lines = 0;
  for_each_fenced_line(lines, [&](std::string_view line, bool is_code) {
    std::string clean;
    if (is_code) {
      clean = line;
    } else {
      append_single_spaced(line, clean);
    }
    if (clean.empty() && !is_code) {
      ++empty_lines;
      return;
    }
    if (!result.empty()) result += empty_lines > 0 ? "\n\n" : "\n";
    empty_lines = 0;
    result += clean;
  });
  return result;
}

std::string join_broken_lines(std::string_view text) {
  std::string joined;
  joined.reserve(text.size());
  bool may_go_on = false;  // the last line may
  bool is_first = true;
  for_each_fenced_line(text, [&](std::string_view line, bool is_code) {
    const bool continues = may_go_on && !is_code && !line.empty() && (first_character(line).classes & kLower) != 0 &&
                           (first_character(line).classes & kUpper) == 0;
    if (continues && joined.ends_with('-') && ends_in(std::string_view(joined).substr(0, joined.size() - 1), kLower)) {
      joined.pop_back();
    } else if (continues && (ends_in(joined, kLetter | kAsciiDigit) || joined.ends_with(','))) {
      joined += ' ';
    } else if (!is_first) {
      joined += '\n';
    }
    is_first = false;
    joined += line;
    may_go_on = !is_code && is_prose(line);
  });
  return joined;
}

std::string_view cut_truncated_end(std::string_view text) {
  const std::string_view stripped = strip(text);
  if (stripped.empty()) return text;
  const std::string_view last_line = stripped.substr(stripped.rfind('\n') + 1);
  const EndCharacter last = last_character(stripped);
  const bool is_closed = (last.classes & (kTerminal | kCategoryP | kIcon)) != 0 && last.code_point != ',' &&
                         last.code_point != ';' && last.code_point != '-' && last.code_point != '(';
  if (is_closed || !is_prose(last_line)) return text;
  for (size_t position = last_line.size(); position-- > 1;) {
    const std::string_view before = last_line.substr(0, position);
    if (leading_space(last_line.substr(position)) == 0 || before.empty()) continue;
    const EndCharacter end = last_character(before);
    const bool ends_sentence =
        (end.classes & kTerminal) != 0 || ((end.classes & kQuote) != 0 && before.size() > end.size &&
                                           ends_in(before.substr(0, before.size() - end.size), kTerminal));
    if (ends_sentence) {
      const size_t line_begin = static_cast<size_t>(last_line.data() - text.data());
      return text.substr(0, line_begin + position);
    }
  }
  // No sentence ends in the last line: it goes as a whole, if lines before it are left and end.
  const size_t before_line = static_cast<size_t>(last_line.data() - stripped.data());
  const std::string_view before = strip(stripped.substr(0, before_line));
  if (before.empty() || !ends_in(before, kTerminal)) return text;
  return text.substr(0, static_cast<size_t>(before.data() + before.size() - text.data()));
}

}  // namespace pelton::data
