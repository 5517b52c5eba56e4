#include "text/added_token_matcher.h"

#include <algorithm>
#include <numeric>

namespace pelton {
namespace {

// Letters, digits and underscore of ASCII; above it, everything: words of other scripts are not told apart from signs.
bool is_word_byte(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value >= 0x80 || value == '_' || (value >= '0' && value <= '9') || (value >= 'A' && value <= 'Z') ||
         (value >= 'a' && value <= 'z');
}

bool stands_alone(std::string_view text, size_t begin, size_t size) {
  const bool touches_left = begin > 0 && is_word_byte(text[begin - 1]);
  const bool touches_right = begin + size < text.size() && is_word_byte(text[begin + size]);
  return !touches_left && !touches_right;
}

}  // namespace

void StringSet::insert(std::string_view string, size_t value) {
  if (!string.empty()) strings_.push_back({string, value});
}

void StringSet::prepare() {
  std::sort(strings_.begin(), strings_.end(), [](const Item& a, const Item& b) { return a.string < b.string; });
  first_ = {};
  for (const Item& item : strings_) ++first_[size_t{static_cast<unsigned char>(item.string[0])} + 1];
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
}

// Narrows the sorted strings to those that share one more byte with the text, until none is left.
StringSet::Match StringSet::match(std::string_view text) const {
  Match match;
  auto low = strings_.begin();
  auto high = strings_.end();
  if (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    high = low + static_cast<std::ptrdiff_t>(first_[size_t{first} + 1]);
    low += static_cast<std::ptrdiff_t>(first_[first]);
  }
  for (size_t depth = 0; depth < text.size() && low != high; ++depth) {
    const auto byte_at = [depth](const Item& item) {
      return item.string.size() > depth ? static_cast<int>(static_cast<unsigned char>(item.string[depth])) : -1;
    };
    const int byte = static_cast<unsigned char>(text[depth]);
    low = std::partition_point(low, high, [&](const Item& item) { return byte_at(item) < byte; });
    high = std::partition_point(low, high, [&](const Item& item) { return byte_at(item) == byte; });
    if (low != high && low->string.size() == depth + 1) match = {depth + 1, low->value, false};
  }
  match.may_go_on = low != high && std::prev(high)->string.size() > text.size();
  return match;
}

AddedTokenMatcher::AddedTokenMatcher(std::span<const AddedToken> tokens) : tokens_(tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    (tokens[i].is_normalized ? normalized_ : raw_).insert(tokens[i].text, i);
  }
  raw_.prepare();
  normalized_.prepare();
}

std::vector<AddedTokenMatch> AddedTokenMatcher::find(std::string_view text, const Predicate& allows) const {
  std::vector<AddedTokenMatch> raw;
  find_in(raw_, text, 0, text.size(), allows, raw);
  if (normalized_.empty()) return raw;

  std::vector<AddedTokenMatch> all;
  size_t begin = 0;
  for (const AddedTokenMatch& match : raw) {
    find_in(normalized_, text, begin, match.begin, allows, all);
    all.push_back(match);
    begin = match.begin + match.size;
  }
  find_in(normalized_, text, begin, text.size(), allows, all);
  return all;
}

void AddedTokenMatcher::find_in(const StringSet& set, std::string_view text, size_t begin, size_t end,
                                const Predicate& allows, std::vector<AddedTokenMatch>& matches) const {
  for (size_t position = begin; position < end;) {
    if (!set.may_begin(text[position])) {
      ++position;
      continue;
    }
    size_t taken = 1;
    for (StringSet::Match found = set.match(text.substr(position, end - position)); found.size > 0;
         found = set.match(text.substr(position, found.size - 1))) {
      const AddedTokenMatch match = {position, found.size, &tokens_[found.value]};
      const bool fits = !match.token->is_single_word || stands_alone(text, position, found.size);
      if (!fits || !allows(match)) continue;
      matches.push_back(match);
      taken = found.size;
      break;
    }
    position += taken;
  }
}

}  // namespace pelton
