#include "text/user_text.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace pelton {
namespace {

// CJK extension B: rare, and inert in a template: letters without case that no filter escapes or strips.
constexpr char32_t kStandInFirst = 0x20000;
constexpr char32_t kStandInLast = 0x2A6DF;

// By the first byte of a character: ASCII signs, without those of JSON and Python strings and of names ("tool_calls"),
// and all that is not ASCII.
bool is_sign(char lead) {
  if (static_cast<unsigned char>(lead) >= 0x80) return true;
  const bool is_alphanumeric =
      (lead >= '0' && lead <= '9') || (lead >= 'A' && lead <= 'Z') || (lead >= 'a' && lead <= 'z');
  return lead > ' ' && lead < 0x7F && !is_alphanumeric && lead != '"' && lead != '\'' && lead != '\\' && lead != '_';
}

bool has_sign(std::string_view text) { return std::any_of(text.begin(), text.end(), is_sign); }

std::string reversed(std::string_view text) { return std::string(text.rbegin(), text.rend()); }

}  // namespace

GuardedTexts::GuardedTexts(const std::vector<std::string_view>& texts) : texts_(texts) {
  reversed_texts_.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    forwards_.insert(texts[i], i);
    backwards_.insert(reversed_texts_.emplace_back(reversed(texts[i])), i);
    longest_ = std::max(longest_, texts[i].size());
  }
  forwards_.prepare();
  backwards_.prepare();
}

std::vector<bool> GuardedTexts::find_in(std::string_view text) const {
  std::vector<bool> is_marked(text.size(), false);
  mark_whole_tokens(text, is_marked);
  // Templates like to trim, so the edges are looked for with and without white space.
  const size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = text.find_last_not_of(" \t\r\n") + 1;
  for (const size_t from : std::set<size_t>{0, first}) {
    for (const size_t to : std::set<size_t>{end, text.size()}) {
      if (from < to) mark_edges(text.substr(from, to - from), from, is_marked);
    }
  }
  return is_marked;
}

// A token without any sign ("EOS") is marked at its first character.
void GuardedTexts::mark_whole_tokens(std::string_view text, std::vector<bool>& is_marked) const {
  for (size_t position = 0; position < text.size(); ++position) {
    for (size_t size = forwards_.match(text.substr(position)).size; size > 0;
         size = forwards_.match(text.substr(position, size - 1)).size) {
      const std::string_view token = text.substr(position, size);
      mark_signs(token, position, is_marked);
      if (!has_sign(token)) is_marked[position] = true;
    }
  }
}

void GuardedTexts::mark_edges(std::string_view text, size_t offset, std::vector<bool>& is_marked) const {
  const size_t reach = std::min(text.size(), longest_);
  for (size_t size = 1; size <= reach; ++size) {
    const std::string_view start = text.substr(0, size);
    const std::string_view end = text.substr(text.size() - size);
    if (backwards_.match(reversed(start)).may_go_on) mark_signs(start, offset, is_marked);
    if (forwards_.match(end).may_go_on) mark_signs(end, offset + text.size() - size, is_marked);
  }
  if (text.size() >= longest_ || !has_sign(text)) return;
  const auto contains = [text](std::string_view token) { return token.find(text) != std::string_view::npos; };
  if (std::any_of(texts_.begin(), texts_.end(), contains)) mark_signs(text, offset, is_marked);
}

void GuardedTexts::mark_signs(std::string_view text, size_t offset, std::vector<bool>& is_marked) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_sign(text[i])) is_marked[offset + i] = true;
  }
}

void UserTextMarker::survey(std::string_view text) {
  for_each_character(text, [this](size_t, std::string_view character) {
    if (character.size() == 4) used_.insert(code_point_of(character));
  });
}

void UserTextMarker::survey(const json::value& value) {
  if (value.is_string()) survey(std::string_view(value.get_string()));
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) survey(item);
  }
  if (value.is_object()) {
    for (const auto& [key, item] : value.get_object()) {
      survey(std::string_view(key));
      survey(item);
    }
  }
}

json::value UserTextMarker::mark(const json::value& value, const GuardedTexts& guarded) {
  if (value.is_string()) return json::value(mark_string(value.get_string(), guarded));
  if (value.is_array()) {
    json::array marked;
    for (const json::value& item : value.get_array()) marked.push_back(mark(item, guarded));
    return marked;
  }
  if (value.is_object()) {
    json::object marked;
    for (const auto& [key, item] : value.get_object())
      marked.insert_or_assign(mark_string(key, guarded), mark(item, guarded));
    return marked;
  }
  return value;
}

std::string UserTextMarker::mark_string(std::string_view text, const GuardedTexts& guarded) {
  const std::vector<bool> is_marked = guarded.find_in(text);
  std::string marked;
  marked.reserve(text.size());
  for_each_character(text, [&](size_t position, std::string_view character) {
    if (is_marked[position]) {
      append_utf8(marked, stand_in_for(character));
    } else {
      marked += character;
    }
  });
  return marked;
}

char32_t UserTextMarker::stand_in_for(std::string_view sign) {
  if (const auto known = stand_ins_.find(std::string(sign)); known != stand_ins_.end()) return known->second;
  char32_t free = kStandInFirst;
  while (free <= kStandInLast && used_.contains(free)) ++free;
  if (free > kStandInLast) {
    throw Error(ErrorCode::kInvalidArgument,
                "the messages hold every character of CJK extension B, so that none is left to mark user text with",
                "messages");
  }
  used_.insert(free);
  stand_ins_.emplace(sign, free);
  signs_.emplace(free, sign);
  return free;
}

UserTextMarker::Unmarked UserTextMarker::unmark(std::string_view rendered) const {
  Unmarked unmarked;
  unmarked.text.reserve(rendered.size());
  for_each_character(rendered, [&](size_t, std::string_view character) {
    if (character.size() == 4) {
      if (const auto sign = signs_.find(code_point_of(character)); sign != signs_.end()) {
        unmarked.user_signs.push_back(unmarked.text.size());
        unmarked.text += sign->second;
        return;
      }
    }
    unmarked.text += character;
  });
  return unmarked;
}

}  // namespace pelton
