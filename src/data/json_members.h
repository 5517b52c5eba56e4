// The members of a JSON object as raw bytes, for copying those that nobody touches.
#pragma once

#include <string_view>

#include "base/check.h"

namespace pelton::data {

// Where the value that begins at `start` ends. The JSON must be valid.
inline size_t end_of_json_value(std::string_view json, size_t start) {
  size_t depth = 0;
  for (size_t i = start; i < json.size(); ++i) {
    const char byte = json[i];
    if (byte == '"') {
      for (++i; json[i] != '"'; ++i) {
        if (json[i] == '\\') ++i;
      }
      if (depth == 0) return i + 1;
    } else if (byte == '{' || byte == '[') {
      ++depth;
    } else if (byte == '}' || byte == ']') {
      if (depth == 0) return i;  // the end of what a number or a word stands in
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (byte == ',' || byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n')) {
      return i;
    }
  }
  return json.size();
}

// Calls visit(key, value) for each member of a valid JSON object: the key without its quotes, escapes as they stand.
template <typename Visit>
void for_each_json_member(std::string_view json, Visit&& visit) {
  size_t i = json.find('{');
  CHECK(i != std::string_view::npos);
  const auto pass_over = [&](std::string_view bytes) {
    i = json.find_first_not_of(bytes, i);
    CHECK(i != std::string_view::npos);
  };
  ++i;
  while (true) {
    pass_over(" \t\r\n,");
    if (json[i] == '}') return;
    const size_t key_end = end_of_json_value(json, i);
    const std::string_view key = json.substr(i + 1, key_end - i - 2);
    i = key_end;
    pass_over(" \t\r\n:");
    const size_t value_end = end_of_json_value(json, i);
    visit(key, json.substr(i, value_end - i));
    i = value_end;
  }
}

}  // namespace pelton::data
