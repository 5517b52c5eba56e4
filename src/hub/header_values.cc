#include "hub/header_values.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace pelton {
namespace {

bool take_number(std::string_view& text, int64_t& number) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string normal_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

bool is_content_hash(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string> next_link(std::string_view link) {
  // <address>; parameter; parameter, <address>; …   where an address may hold commas and semicolons.
  while (!link.empty()) {
    const size_t begin = link.find('<');
    const size_t end = begin == std::string_view::npos ? begin : link.find('>', begin);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view address = link.substr(begin + 1, end - begin - 1);
    link.remove_prefix(end + 1);
    const size_t next = std::min(link.find(",<"), std::min(link.find(", <"), link.size()));
    std::string parameters;
    for (const char letter : ascii_lower(link.substr(0, next))) {
      if (letter != ' ' && letter != '"' && letter != '\t') parameters += letter;
    }
    link.remove_prefix(next);
    if ((parameters + ";").find(";rel=next;") != std::string::npos) return std::string(address);
  }
  return std::nullopt;
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  ContentRange range{};
  int64_t last = 0;
  if (!value.starts_with("bytes ")) return std::nullopt;
  value.remove_prefix(6);
  if (!take_number(value, range.begin) || !take(value, '-') || !take_number(value, last) || !take(value, '/') ||
      !take_number(value, range.size_bytes) || !value.empty()) {
    return std::nullopt;
  }
  if (last < range.begin || last >= range.size_bytes) return std::nullopt;
  range.end = last + 1;
  return range;
}

}  // namespace pelton
