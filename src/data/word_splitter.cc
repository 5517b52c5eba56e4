#include "data/word_splitter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/ascii.h"
#include "data/character_class.h"

namespace pelton::data {
namespace {

constexpr size_t kExceptionBytesMax = 12;

// Words that are cut although no rule says so: the bytes of the first part. 0: words that stay whole although a rule
// would cut them. Looked up in lower case.
const std::unordered_map<std::string_view, size_t>& exceptions() {
  static const std::unordered_map<std::string_view, size_t> kExceptions = {
      {"cannot", 3},   {"gonna", 3},  {"gotta", 3},  {"cant", 2},      {"dont", 2},    {"doesnt", 4},  {"didnt", 3},
      {"isnt", 2},     {"arent", 3},  {"wasnt", 3},  {"werent", 4},    {"wont", 2},    {"wouldnt", 5}, {"couldnt", 5},
      {"shouldnt", 6}, {"hasnt", 3},  {"havent", 4}, {"hadnt", 3},     {"aint", 2},    {"mustnt", 4},  {"im", 1},
      {"ive", 1},      {"youve", 3},  {"theyve", 4}, {"weve", 2},      {"youre", 3},   {"theyre", 4},  {"thats", 4},
      {"whats", 4},    {"hes", 2},    {"shes", 3},   {"theres", 5},    {"wheres", 5},  {"whos", 3},    {"hows", 3},
      {"youll", 3},    {"theyll", 4}, {"youd", 3},   {"theyd", 4},     {"mr.", 0},     {"mrs.", 0},    {"ms.", 0},
      {"dr.", 0},      {"jr.", 0},    {"st.", 0},    {"inc.", 0},      {"ltd.", 0},    {"corp.", 0},   {"co.", 0},
      {"vs.", 0},      {"v.s.", 0},   {"e.g.", 0},   {"i.e.", 0},      {"a.m.", 0},    {"p.m.", 0},    {"ph.d.", 0},
      {"prof.", 0},    {"gen.", 0},   {"gov.", 0},   {"rep.", 0},      {"rev.", 0},    {"sen.", 0},    {"bros.", 0},
      {"messrs.", 0},  {"jan.", 0},   {"feb.", 0},   {"mar.", 0},      {"apr.", 0},    {"jun.", 0},    {"jul.", 0},
      {"aug.", 0},     {"sep.", 0},   {"sept.", 0},  {"oct.", 0},      {"nov.", 0},    {"dec.", 0},    {"c++", 0},
      {"''", 0},       {":)", 0},     {":-)", 0},    {":(", 0},        {":-(", 0},     {";)", 0},      {";-)", 0},
      {":d", 0},       {":-d", 0},    {":p", 0},     {":-p", 0},       {":/", 0},      {":-/", 0},     {"=)", 0},
      {"=(", 0},       {"<3", 0},     {"):", 0},     {"(:", 0},        {"8)", 0},      {":]", 0},      {"[:", 0},
      {":o", 0},       {":*", 0},     {":|", 0},     {"^_^", 0},       {"-_-", 0},     {"(=", 0},      {"(;", 0},
      {"=]", 0},       {"[=", 0},     {":x", 0},     {"=|", 0},        {"=/", 0},      {"=d", 0},      {":3", 0},
      {":0", 0},       {":1", 0},     {"o.o", 0},    {"v.v", 0},       {":')", 0},     {":'(", 0},     {"\\o/", 0},
      {"._.", 0},      {"and/or", 0}, {"w/o", 0},    {"ma'am", 0},     {"o'clock", 0}, {"y'all", 1},   {"let's", 3},
      {"'em", 0},      {"'cause", 0}, {"'cos", 0},   {"'til", 0},      {"'ll", 0},     {"'nuff", 0},   {"ol'", 0},
      {"nothin'", 0},  {"doin'", 0},  {"goin'", 0},  {"somethin'", 0}, {"lovin'", 0},
  };
  return kExceptions;
}

const std::unordered_set<std::string_view>& verbs_with_not() {
  static const std::unordered_set<std::string_view> kVerbs = {
      "ca", "could", "do", "does", "did",    "had", "may", "might", "must", "need", "ought", "sha",
      "wo", "would", "ai", "are",  "should", "is",  "was", "were",  "have", "has",  "dare"};
  return kVerbs;
}

const std::unordered_set<std::string_view>& words_before_contractions() {
  static const std::unordered_set<std::string_view> kWords = {"i",    "you",   "he",   "she",  "it",    "we",
                                                              "they", "who",   "what", "when", "where", "why",
                                                              "how",  "there", "that", "this", "these", "those"};
  return kWords;
}

// Whether an exception in the list has this size, begins and ends so: what nearly all words answer with no.
bool may_be_listed(std::string_view word) {
  constexpr size_t kLetters = 32;  // the lower bits of a letter, whatever its case
  const auto index = [](std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front()) % kLetters;
    const auto last = static_cast<unsigned char>(text.back()) % kLetters;
    return (text.size() * kLetters + first) * kLetters + last;
  };
  static const auto kMay = [&] {
    std::bitset<(kExceptionBytesMax + 1) * kLetters * kLetters> may;
    for (const auto& [listed, first] : exceptions()) may.set(index(listed));
    return may;
  }();
  return kMay[index(word)];
}

bool has_apostrophe(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c == '\'' || c == '\xE2'; });
}

// Bytes of the first of the parts that an exceptional word has; the whole word: it stays; nothing: no exception.
std::optional<size_t> exception_of(std::string_view word) {
  if (word.size() < 2 || word.size() > kExceptionBytesMax) return std::nullopt;
  // "a." to "z."
  if (word.size() == 2 && word[1] == '.' && word[0] >= 'a' && word[0] <= 'z') return 2;
  if (may_be_listed(word)) {
    const auto found = exceptions().find(ascii_lower(word));
    if (found != exceptions().end()) return found->second == 0 ? word.size() : found->second;
  }
  const bool may_be_time = word[0] >= '1' && word[0] <= '9' && (word.back() == 'm' || word.back() == 'M');
  if (!may_be_time && !has_apostrophe(word)) return std::nullopt;
  const std::string lower = ascii_lower(word);
  // "10am"
  if ((lower.ends_with("am") || lower.ends_with("pm")) && lower.size() <= 4 && lower[0] >= '1' && lower[0] <= '9' &&
      (lower.size() == 3 || (lower[0] == '1' && lower[1] >= '0' && lower[1] <= '2'))) {
    return lower.size() - 2;
  }
  for (const std::string_view apostrophe : {"'", "’"}) {
    const size_t at = lower.find(apostrophe);
    if (at == std::string::npos || at == 0) continue;
    const std::string_view before = std::string_view(lower).substr(0, at);
    const std::string_view after = std::string_view(lower).substr(at + apostrophe.size());
    if (after == "t" && before.ends_with('n') && verbs_with_not().contains(before.substr(0, at - 1))) return at - 1;
    const bool is_contraction = after == "ll" || after == "ve" || after == "re" || after == "d" || after == "m";
    if (is_contraction && words_before_contractions().contains(before)) return at;
  }
  return std::nullopt;
}

size_t count_leading(std::string_view text, char c) {
  const size_t end = text.find_first_not_of(c);
  return end == std::string_view::npos ? text.size() : end;
}

// Bytes to cut off the front; 0: none.
size_t prefix_of(std::string_view text) {
  const EndCharacter first = first_character(text);
  switch (first.code_point) {
    case '.': {
      const size_t dots = count_leading(text, '.');
      return dots >= 2 ? dots : 0;
    }
    case '+':
      return text.size() > 1 && text[1] >= '0' && text[1] <= '9' ? 0 : 1;
    case U'§':
    case '%':
    case '=':
    case U'—':
    case U'–':
      return first.size;
    case 'U':
      return text.starts_with("US$") ? 3 : 0;
    case 'C':
    case 'A':
      return text.size() > 1 && text[1] == '$' ? 2 : 0;
    default:
      return (first.classes & (kPunctuation | kQuote | kCurrency | kIcon)) != 0 ? first.size : 0;
  }
}

constexpr auto kUnits = std::to_array<std::string_view>(
    {"km",  "km²", "km³",  "m",  "m²", "m³", "dm", "dm²", "dm³", "cm", "cm²", "cm³", "mm",  "mm²",  "mm³", "ha",
     "µm",  "nm",  "yd",   "in", "ft", "kg", "g",  "mg",  "µg",  "t",  "lb",  "oz",  "m/s", "km/h", "kmh", "mph",
     "hPa", "Pa",  "mbar", "mb", "MB", "kb", "KB", "gb",  "GB",  "tb", "TB",  "T",   "G",   "M",    "K",   "%"});

// "km" of "12km".
size_t unit_of(std::string_view text) {
  constexpr size_t kUnitBytesMax = 5;
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin <= kUnitBytesMax && (text[begin - 1] < '0' || text[begin - 1] > '9')) --begin;
  if (begin == 0 || begin == text.size() || text[begin - 1] < '0' || text[begin - 1] > '9') return 0;
  const std::string_view unit = text.substr(begin);
  return std::find(kUnits.begin(), kUnits.end(), unit) != kUnits.end() ? unit.size() : 0;
}

bool full_stop_ends(std::string_view before) {
  if (before.empty()) return false;
  const EndCharacter last = last_character(before);
  if ((last.classes & (kAsciiDigit | kLower | kPunctuation | kQuote)) != 0) return true;
  if (last.code_point == '%' || last.code_point == U'²' || last.code_point == '-' || last.code_point == '+')
    return true;
  before.remove_suffix(last.size);
  return (last.classes & kUpper) != 0 && !before.empty() && (last_character(before).classes & kUpper) != 0;
}

// Bytes to cut off the back; 0: none.
size_t suffix_of(std::string_view text) {
  const EndCharacter last = last_character(text);
  const std::string_view before = text.substr(0, text.size() - last.size);
  const bool is_after_digit = !before.empty() && before.back() >= '0' && before.back() <= '9';
  if (last.code_point == '.') {
    size_t dots = 1;
    while (dots < text.size() && text[text.size() - 1 - dots] == '.') ++dots;
    if (dots >= 2) return dots;
    return full_stop_ends(before) ? 1 : 0;
  }
  if (last.code_point == 's' || last.code_point == 'S') {
    for (const std::string_view apostrophe : {"'", "’"}) {
      if (before.ends_with(apostrophe)) return apostrophe.size() + 1;
    }
  }
  if ((last.classes & (kPunctuation | kQuote | kIcon)) != 0 || last.code_point == U'—' || last.code_point == U'–') {
    return last.size;
  }
  if (last.code_point == '+' || (last.classes & kCurrency) != 0) return is_after_digit ? last.size : 0;
  return unit_of(text);
}

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_ascii_alphanumeric(char c) { return is_ascii_letter(c) || (c >= '0' && c <= '9'); }
bool is_label_character(char c) { return is_ascii_alphanumeric(c) || static_cast<unsigned char>(c) >= 0x80; }

// "www.example.org", also an address of version 4: labels, the last one in lower case.
bool is_host(std::string_view host) {
  const size_t last_dot = host.rfind('.');
  if (last_dot == std::string_view::npos) return false;
  for (size_t begin = 0; begin <= last_dot;) {
    const std::string_view label = host.substr(begin, host.find('.', begin) - begin);
    const bool is_label =
        !label.empty() && is_label_character(label.front()) && is_label_character(label.back()) &&
        std::all_of(label.begin(), label.end(), [](char c) { return is_label_character(c) || c == '-' || c == '_'; });
    if (!is_label) return false;
    begin += label.size() + 1;
  }
  std::string_view top = host.substr(last_dot + 1);
  if (top.size() < 2) return false;
  while (!top.empty()) {
    const EndCharacter first = first_character(top);
    if ((first.classes & kLower) == 0) return false;
    top.remove_prefix(first.size);
  }
  return true;
}

// Host, then perhaps a port of two to five digits, then perhaps a path.
bool is_host_and_path(std::string_view text) {
  const size_t host_end = std::min(text.find_first_of(":/?#"), text.size());
  if (!is_host(text.substr(0, host_end))) return false;
  text.remove_prefix(host_end);
  if (!text.starts_with(':')) return true;
  const size_t port_end = std::min(text.find_first_not_of("0123456789", 1), text.size());
  if (port_end < 3 || port_end > 6) return false;
  return port_end == text.size() || std::string_view("/?#").find(text[port_end]) != std::string_view::npos;
}

bool is_url(std::string_view word) {
  const auto is_scheme_character = [](char c) {
    return is_label_character(c) || c == '_' || c == '+' || c == '-' || c == '.';
  };
  if (const size_t scheme = word.find("://"); scheme != std::string_view::npos && scheme >= 2) {
    const std::string_view before = word.substr(0, scheme);
    if (std::all_of(before.begin(), before.end(), is_scheme_character) && is_url(word.substr(scheme + 3))) return true;
  }
  if (is_host_and_path(word)) return true;
  for (size_t at = word.find('@', 1); at != std::string_view::npos; at = word.find('@', at + 1)) {
    if (is_host_and_path(word.substr(at + 1))) return true;
  }
  return false;
}

// Bytes of the sign at which a word is cut in two, that stands at `position`; 0: none.
size_t infix_at(std::string_view word, size_t position) {
  const std::string_view rest = word.substr(position);
  const EndCharacter here = first_character(rest);
  if ((here.classes & kIcon) != 0 || here.code_point == U'…') return here.size;
  if (here.code_point == '.' && rest.size() > 1 && rest[1] == '.') return count_leading(rest, '.');
  if (position == 0 || rest.size() == here.size) return 0;
  const EndCharacter before = last_character(word.substr(0, position));
  const EndCharacter after = first_character(rest.substr(here.size));
  const auto is_after = [&](CharacterClass flags) { return (before.classes & flags) != 0; };
  const auto is_before = [&](CharacterClass flags) { return (after.classes & flags) != 0; };
  switch (here.code_point) {
    case '.':
      return is_after(kLower | kQuote) && is_before(kUpper | kQuote) ? 1 : 0;
    case ',':
      return is_after(kLetter) && is_before(kLetter) ? 1 : 0;
    case ':':
    case '<':
    case '>':
    case '=':
    case '/':
      return is_after(kLetter | kAsciiDigit) && is_before(kLetter) ? 1 : 0;
    case '+':
    case '*':
    case '^':
      return is_after(kAsciiDigit) && (is_before(kAsciiDigit) || after.code_point == '-') ? 1 : 0;
    default:
      break;
  }
  if ((here.classes & kHyphen) == 0) return 0;
  if (here.code_point == '-' && is_after(kAsciiDigit) && (is_before(kAsciiDigit) || after.code_point == '-')) return 1;
  if (!is_after(kLetter | kAsciiDigit)) return 0;
  if (is_before(kLetter)) return here.size;
  for (const std::string_view hyphens : {"--", "---", "——"}) {
    if (!rest.starts_with(hyphens) || rest.size() == hyphens.size()) continue;
    if ((first_character(rest.substr(hyphens.size())).classes & kLetter) != 0) return hyphens.size();
  }
  return 0;
}

class Splitter {
 public:
  explicit Splitter(std::vector<std::string_view>& words) : words_(words) {}

  // What stands between white space.
  void split(std::string_view chunk) {
    suffixes_.clear();
    while (!chunk.empty()) {
      if (push_exception(chunk)) {
        chunk = {};
        break;
      }
      const size_t prefix = prefix_of(chunk);
      const std::string_view without_prefix = chunk.substr(prefix);
      if (prefix != 0 && exception_of(without_prefix)) {
        words_.push_back(chunk.substr(0, prefix));
        chunk = without_prefix;
        continue;
      }
      const size_t suffix = without_prefix.empty() ? 0 : suffix_of(without_prefix);
      if (prefix == 0 && suffix == 0) break;
      if (suffix != 0 && exception_of(chunk.substr(0, chunk.size() - suffix))) {
        suffixes_.push_back(chunk.substr(chunk.size() - suffix));
        chunk.remove_suffix(suffix);
        continue;
      }
      if (prefix != 0) words_.push_back(chunk.substr(0, prefix));
      if (suffix != 0) suffixes_.push_back(chunk.substr(chunk.size() - suffix));
      chunk = chunk.substr(prefix, chunk.size() - prefix - suffix);
    }
    if (!chunk.empty()) push_cut(chunk);
    words_.insert(words_.end(), suffixes_.rbegin(), suffixes_.rend());
  }

 private:
  bool push_exception(std::string_view word) {
    const std::optional<size_t> first = exception_of(word);
    if (!first) return false;
    words_.push_back(word.substr(0, *first));
    if (*first != word.size()) words_.push_back(word.substr(*first));
    return true;
  }

  void push_cut(std::string_view word) {
    size_t begin = 0;
    bool may_be_url = true;
    for (size_t position = 0; position < word.size();) {
      const size_t infix = infix_at(word, position);
      // At the very front it cuts nothing off.
      if (infix == 0 || position == 0) {
        position += std::max(infix, first_character(word.substr(position)).size);
        continue;
      }
      if (may_be_url && is_url(word)) break;
      may_be_url = false;
      if (position != begin) words_.push_back(word.substr(begin, position - begin));
      words_.push_back(word.substr(position, infix));
      position += infix;
      begin = position;
    }
    if (begin != word.size()) words_.push_back(word.substr(begin));
  }

  std::vector<std::string_view>& words_;
  std::vector<std::string_view> suffixes_;
};

// Only letters of ASCII, and no exception: by far the most.
bool is_plain(std::string_view chunk) {
  for (const char c : chunk) {
    if (!is_ascii_letter(c)) return false;
  }
  return chunk.size() < 2 || chunk.size() > kExceptionBytesMax || !may_be_listed(chunk) || !exception_of(chunk);
}

bool stands_for_full_stop(std::string_view word) {
  const EndCharacter first = first_character(word);
  return first.size == word.size() && (first.classes & kTerminal) != 0;
}

bool is_punctuation(std::string_view word) {
  while (!word.empty()) {
    const EndCharacter first = first_character(word);
    if ((first.classes & kCategoryP) == 0) return false;
    word.remove_prefix(first.size);
  }
  return true;
}

}  // namespace

void split_words(std::string_view text, std::vector<std::string_view>& words) {
  words.clear();
  Splitter splitter(words);
  for_each_space_separated(text, [&](std::string_view chunk) {
    if (is_plain(chunk)) {
      words.push_back(chunk);
    } else {
      splitter.split(chunk);
    }
  });
}

const std::vector<std::string_view>& words_of(std::string_view text) {
  thread_local std::vector<std::string_view> words;
  thread_local std::string_view last;
  thread_local uint64_t last_hash = 0;
  // Memory is used again: the same place says nothing about what lies there. (The words are views of it.)
  const uint64_t hash = XXH3_64bits(text.data(), text.size());
  if (last.data() != text.data() || last.size() != text.size() || last_hash != hash) {
    split_words(text, words);
    last = text;
    last_hash = hash;
  }
  return words;
}

int count_sentences(std::string_view text) {
  thread_local std::vector<std::string_view> words;
  split_words(text, words);
  if (words.empty()) return 0;
  int sentences = 1;
  bool is_after_stop = false;
  for (const std::string_view word : words) {
    if (stands_for_full_stop(word)) {
      is_after_stop = true;
    } else if (is_after_stop && !is_punctuation(word)) {
      ++sentences;
      is_after_stop = false;
    }
  }
  return sentences;
}

}  // namespace pelton::data
