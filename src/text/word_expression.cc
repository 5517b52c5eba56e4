#include "text/word_expression.h"

#include <pelton_bridge.h>

#include <algorithm>
#include <cstdint>

namespace pelton {
namespace {

using Table = UnicodeClassTable;

constexpr UnicodeClasses kMarkClasses = classes(UnicodeClass::kMark);
// o200k tells letters that may be capital from those that may be small; letters without case, and marks, are both.
constexpr UnicodeClasses kCapitalClasses = classes(UnicodeClass::kUpper, UnicodeClass::kCaseless, UnicodeClass::kMark);
constexpr UnicodeClasses kSmallClasses = classes(UnicodeClass::kLower, UnicodeClass::kCaseless, UnicodeClass::kMark);
constexpr UnicodeClasses kSignClasses = classes(UnicodeClass::kPunctuation, UnicodeClass::kSymbol);
constexpr UnicodeClasses kAllClasses = ~UnicodeClasses{0};

// Past the characters of `set` from `at` on; at most `count_max` of them.
const char* skip(const Table& table, UnicodeClasses set, const char* at, const char* end) {
  while (at < end) {
    const auto [code_point, size] = decode_character(at);
    if (!table.is_in(code_point, set)) break;
    at += size;
  }
  return at;
}

const char* skip_at_most(const Table& table, UnicodeClasses set, size_t count_max, const char* at, const char* end) {
  for (size_t count = 0; count < count_max && at < end; ++count) {
    const auto [code_point, size] = decode_character(at);
    if (!table.is_in(code_point, set)) break;
    at += size;
  }
  return at;
}

bool is_in(const Table& table, UnicodeClasses set, const char* at, const char* end) {
  return at < end && table.is_in(decode_character(at).code_point, set);
}

bool is_line_end(char byte) { return byte == '\r' || byte == '\n'; }

const char* skip_line_ends(const char* at, const char* end) {
  while (at < end && is_line_end(*at)) ++at;
  return at;
}

// \s+(?!\S)|\s+ : all white space but its last character, which belongs to what follows; all where nothing follows, or
// where there is only one. Without white space: `begin`.
const char* spaces_end(const Table& table, const char* begin, const char* end) {
  const char* last = begin;
  const char* at = begin;
  while (at < end) {
    const auto [code_point, size] = decode_character(at);
    if (!table.is_in(code_point, kSpaceClasses)) break;
    last = at;
    at += size;
  }
  return at == end || last == begin ? at : last;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last line end of the white space, if there is any.
const char* lines_or_spaces_end(const Table& table, const char* begin, const char* end) {
  const char* last = begin;
  const char* line_end = nullptr;
  const char* at = begin;
  while (at < end) {
    const auto [code_point, size] = decode_character(at);
    if (!table.is_in(code_point, kSpaceClasses)) break;
    last = at;
    at += size;
    if (is_line_end(*last)) line_end = at;
  }
  if (line_end != nullptr) return line_end;
  return at == end || last == begin ? at : last;
}

char lower_ascii(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte; }

// 's|'t|'re|'ve|'m|'ll|'d ; nullptr: none.
const char* contraction_end(const char* begin, const char* end) {
  if (*begin != '\'' || end - begin < 2) return nullptr;
  switch (begin[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return begin + 2;
    case 'r':
    case 'v':
      return end - begin > 2 && begin[2] == 'e' ? begin + 3 : nullptr;
    case 'l':
      return end - begin > 2 && begin[2] == 'l' ? begin + 3 : nullptr;
    default:
      return nullptr;
  }
}

// The same in either case. Where Unicode says what a case is, the long s (U+017F) is an s.
const char* caseless_contraction_end(const char* begin, const char* end, bool has_long_s) {
  if (begin == end || *begin != '\'' || end - begin < 2) return nullptr;
  if (has_long_s && end - begin > 2 && begin[1] == '\xC5' && begin[2] == '\xBF') return begin + 3;
  const char letters[3] = {'\'', lower_ascii(begin[1]), end - begin > 2 ? lower_ascii(begin[2]) : '\0'};
  const char* found = contraction_end(letters, letters + std::min<ptrdiff_t>(end - begin, 3));
  return found == nullptr ? nullptr : begin + (found - letters);
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const char* gpt2_end(const Table& table, const char* begin, const char* end) {
  if (const char* contraction = contraction_end(begin, end)) return contraction;
  const char* first = *begin == ' ' && begin + 1 < end ? begin + 1 : begin;
  for (const UnicodeClasses set :
       {kLetterClasses, kNumberClasses, kAllClasses & ~(kSpaceClasses | kLetterClasses | kNumberClasses)}) {
    if (is_in(table, set, first, end)) return skip(table, set, first, end);
  }
  return spaces_end(table, begin, end);
}

// The expressions that came after OpenAI's cl100k_base and o200k_base are of one form:
//   contraction | [^\r\n\p{L}\p{N}]? word | \p{N}{1,n} | ?sign+ tail | \s*[\r\n]+ | \s+(?!\S) | \s+
struct Form {
  UnicodeClasses letters = kLetterClasses;  // what words are made of
  size_t digits_max = 3;
  bool begins_with_contraction = true;
  bool has_long_s = true;  // (?i:'s), else '[sS]
  // Words of o200k end where small letters are followed by a capital one.
  bool splits_at_capitals = false;
  bool ends_with_contraction = false;
  bool tail_has_slash = false;  // signs take [\r\n/]* along, else [\r\n]*
};

// [capital]*[small]+, else nullptr. The first part takes what both could, and gives the last of that back where no
// small letter follows.
const char* capitals_then_small_end(const Table& table, const char* begin, const char* end) {
  const char* both_end = nullptr;  // of the last character that is in both sets
  const char* at = begin;
  while (at < end) {
    const auto [code_point, size] = decode_character(at);
    if (!table.is_in(code_point, kCapitalClasses)) break;
    at += size;
    if (table.is_in(code_point, kSmallClasses)) both_end = at;
  }
  const char* small_end = skip(table, kSmallClasses, at, end);
  return small_end != at ? small_end : both_end;
}

// [capital]+[small]*, else nullptr.
const char* capitals_end(const Table& table, const char* begin, const char* end) {
  const char* at = skip(table, kCapitalClasses, begin, end);
  return at == begin ? nullptr : skip(table, kSmallClasses, at, end);
}

// The word that begins at `begin`, of which `after_prefix` (or nullptr) is where it goes on if its first character is
// no part of its letters; else nullptr.
template <Form kForm>
const char* word_end(const Table& table, const char* begin, const char* after_prefix, const char* end) {
  const auto try_both = [&](auto match) {
    const char* found = after_prefix == nullptr ? nullptr : match(table, after_prefix, end);
    return found != nullptr ? found : match(table, begin, end);
  };
  if constexpr (kForm.splits_at_capitals) {
    const char* found = try_both(capitals_then_small_end);
    return found != nullptr ? found : try_both(capitals_end);
  } else {
    return try_both([](const Table& classes_of, const char* from, const char* to) -> const char* {
      const char* at = skip(classes_of, kForm.letters, from, to);
      return at == from ? nullptr : at;
    });
  }
}

template <Form kForm>
const char* form_end(const Table& table, const char* begin, const char* end) {
  if constexpr (kForm.begins_with_contraction) {
    if (const char* contraction = caseless_contraction_end(begin, end, kForm.has_long_s)) return contraction;
  }
  const auto [code_point, size] = decode_character(begin);
  const bool is_prefix = !is_line_end(*begin) && !table.is_in(code_point, kLetterClasses | kNumberClasses);
  if (const char* word = word_end<kForm>(table, begin, is_prefix ? begin + size : nullptr, end)) {
    if constexpr (kForm.ends_with_contraction) {
      if (const char* contraction = caseless_contraction_end(word, end, kForm.has_long_s)) return contraction;
    }
    return word;
  }
  if (table.is_in(code_point, kNumberClasses)) return skip_at_most(table, kNumberClasses, kForm.digits_max, begin, end);
  constexpr UnicodeClasses kSigns = kAllClasses & ~(kSpaceClasses | kNumberClasses | kForm.letters | kLetterClasses);
  const char* signs = *begin == ' ' ? begin + 1 : begin;
  const char* signs_end = skip(table, kSigns, signs, end);
  if (signs_end != signs) {
    while (signs_end < end && (is_line_end(*signs_end) || (kForm.tail_has_slash && *signs_end == '/'))) ++signs_end;
    return signs_end;
  }
  return lines_or_spaces_end(table, begin, end);
}

constexpr Form kCl100k = {};
constexpr Form kCl100kAscii = {.has_long_s = false};
constexpr Form kQwen2 = {.digits_max = 1};
constexpr Form kQwen35 = {.letters = kLetterClasses | kMarkClasses, .digits_max = 1};
constexpr Form kO200k = {.begins_with_contraction = false,
                         .splits_at_capitals = true,
                         .ends_with_contraction = true,
                         .tail_has_slash = true};
constexpr Form kTekken = {
    .digits_max = 1, .begins_with_contraction = false, .splits_at_capitals = true, .tail_has_slash = true};

// Where a match of `match` begins at `begin`, its end; else where the next one begins.
template <auto match>
const char* match_or_gap_end(const Table& table, const char* begin, const char* end) {
  const char* found = match(table, begin, end);
  if (found != begin) return found;
  for (const char* at = begin; at < end;) {
    at += decode_character(at).size;
    if (at == end || match(table, at, end) != at) return at;
  }
  return end;
}

// \p{N}{1,3}
const char* three_digits(const Table& table, const char* begin, const char* end) {
  return skip_at_most(table, kNumberClasses, 3, begin, end);
}

const char* one_digit(const Table& table, const char* begin, const char* end) {
  return skip_at_most(table, kNumberClasses, 1, begin, end);
}

const char* digits(const Table& table, const char* begin, const char* end) {
  return skip(table, kNumberClasses, begin, end);
}

// What the library's Digits takes for one is said by Rust's Unicode, which may be newer than the expressions'.
template <size_t kCountMax>
const char* numeric(const Table&, const char* begin, const char* end) {
  const char* at = begin;
  for (size_t count = 0; count < kCountMax && at < end; ++count) {
    const auto [c, size] = decode_character(at);
    const bool is_numeric = c < 0x80 ? c >= '0' && c <= '9' : pelton_bridge_is_numeric(c);
    if (!is_numeric) break;
    at += size;
  }
  return at;
}

// [一-龥぀-ゟ゠-ヿ]+
const char* ideographs(const Table&, const char* begin, const char* end) {
  const char* at = begin;
  while (at < end) {
    const auto [c, size] = decode_character(at);
    const bool is_one = (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
    if (!is_one) break;
    at += size;
  }
  return at;
}

bool is_ascii_letter(char byte) { return lower_ascii(byte) >= 'a' && lower_ascii(byte) <= 'z'; }

bool is_ascii_sign(char byte) {
  const bool is_digit = byte >= '0' && byte <= '9';
  return byte > ' ' && byte < 0x7F && !is_digit && !is_ascii_letter(byte);
}

// [ASCII sign][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
const char* deepseek3_words(const Table& table, const char* begin, const char* end) {
  if (is_ascii_sign(*begin) && end - begin > 1 && is_ascii_letter(begin[1])) {
    return std::find_if_not(begin + 1, end, is_ascii_letter);
  }
  constexpr UnicodeClasses kWord = kLetterClasses | kMarkClasses;
  const auto [code_point, size] = decode_character(begin);
  const bool is_prefix = !is_line_end(*begin) && !table.is_in(code_point, kLetterClasses | kSignClasses);
  if (is_prefix && is_in(table, kWord, begin + size, end)) return skip(table, kWord, begin + size, end);
  if (table.is_in(code_point, kWord)) return skip(table, kWord, begin, end);
  const char* signs = *begin == ' ' ? begin + 1 : begin;
  const char* signs_end = skip(table, kSignClasses, signs, end);
  if (signs_end != signs) return skip_line_ends(signs_end, end);
  return lines_or_spaces_end(table, begin, end);
}

constexpr WordExpression kWordExpressions[] = {
    // GPT-2, as a Split of its own
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", gpt2_end, true},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", gpt2_end, true},
    // cl100k_base: GPT-4, Llama 3, and who came after them
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kCl100k>, true},
    {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kCl100kAscii>, true},
    // Qwen 2
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kQwen2>, true},
    // Qwen 3.5
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kQwen35>, true},
    // o200k_base: GPT-4o, gpt-oss
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kO200k>, true},
    // Mistral's tekken
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     form_end<kTekken>, true},
    // DeepSeek V3 cuts three times
    {R"(\p{N}{1,3})", match_or_gap_end<three_digits>, false},
    {R"([一-龥぀-ゟ゠-ヿ]+)", match_or_gap_end<ideographs>, false},
    {R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^)"
     "\r\n"
     R"(\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[)"
     "\r\n"
     R"(]*|\s*[)"
     "\r\n"
     R"(]+|\s+(?!\S)|\s+)",
     match_or_gap_end<deepseek3_words>, false},
    {R"(\p{N})", match_or_gap_end<one_digit>, false},
    {R"(\p{N}+)", match_or_gap_end<digits>, false},
};

}  // namespace

const WordExpression kGpt2Expression = {"", gpt2_end, true};
const WordExpression kEachDigit = {"", match_or_gap_end<numeric<1>>, false};
const WordExpression kDigitRuns = {"", match_or_gap_end<numeric<SIZE_MAX>>, false};

std::span<const WordExpression> word_expressions() { return kWordExpressions; }

const WordExpression* find_word_expression(std::string_view spelling) {
  const auto found = std::find_if(std::begin(kWordExpressions), std::end(kWordExpressions),
                                  [spelling](const WordExpression& row) { return row.spelling == spelling; });
  return found == std::end(kWordExpressions) ? nullptr : found;
}

}  // namespace pelton
