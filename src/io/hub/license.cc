#include "io/hub/license.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/ascii.h"

namespace pelton {
namespace {

constexpr size_t kValueBytesMax = 500;

std::string_view trim(std::string_view text) { return trimmed(text, " \t\r"); }

// A plain or quoted scalar, without the comment behind it.
std::string scalar(std::string_view text) {
  text = trim(text);
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const size_t end = text.find(text.front(), 1);
    return std::string(text.substr(1, end == std::string_view::npos ? end : end - 1)).substr(0, kValueBytesMax);
  }
  return std::string(trim(text.substr(0, text.find(" #")))).substr(0, kValueBytesMax);
}

void append(std::string& list, std::string_view item) {
  if (item.empty() || list.size() > kValueBytesMax) return;
  if (!list.empty()) list += ", ";
  list += item;
}

// "[mit, apache-2.0]" or one value.
std::string flow_values(std::string_view text) {
  text = trim(text);
  if (!text.starts_with('[')) return scalar(text);
  std::string values;
  text = text.substr(1, text.rfind(']') - 1);
  while (!text.empty()) {
    const size_t comma = text.find(',');
    append(values, scalar(text.substr(0, comma)));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return values;
}

std::optional<std::string_view> next_line(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string text_of(const json::value* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(value->get_string()).substr(0, kValueBytesMax);
  std::string list;
  if (value->is_array()) {
    for (const json::value& item : value->get_array()) {
      if (item.is_string()) append(list, item.get_string());
    }
  }
  return list;
}

}  // namespace

std::string to_string(const License& license) {
  if (!license.is_stated()) return "not stated";
  if (license.name.empty()) return license.id;
  return license.id.empty() ? license.name : fmt::format("{} ({})", license.id, license.name);
}

License license_of_card(std::string_view card) {
  License license;
  if (card.starts_with("\xEF\xBB\xBF")) card.remove_prefix(3);  // a byte order mark
  const auto first = next_line(card);
  if (!first || trim(*first) != "---") return license;
  bool is_in_license_list = false;
  while (const auto line = next_line(card)) {
    if (*line == "---") return license;
    const std::string_view item = trim(*line);
    if (is_in_license_list && item.starts_with("- ")) {
      append(license.id, scalar(item.substr(2)));
      continue;
    }
    is_in_license_list = false;
    const size_t colon = line->find(':');
    if (colon == std::string_view::npos || line->front() == ' ') continue;
    const std::string_view key = line->substr(0, colon);
    const std::string_view value = line->substr(colon + 1);
    if (key == "license") {
      license.id = flow_values(value);
      is_in_license_list = license.id.empty();
    } else if (key == "license_name") {
      license.name = scalar(value);
    } else if (key == "license_link") {
      license.link = scalar(value);
    }
  }
  return {};  // the front matter has no end: it is text
}

License license_of_json(const json::object& fields) {
  return {.id = text_of(fields.if_contains("license")),
          .name = text_of(fields.if_contains("license_name")),
          .link = text_of(fields.if_contains("license_link"))};
}

json::object to_json(const License& license) {
  const auto or_null = [](const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); };
  return {{"license", or_null(license.id)},
          {"license_name", or_null(license.name)},
          {"license_link", or_null(license.link)}};
}

}  // namespace pelton
