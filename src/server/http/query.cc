#include "server/http/query.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/http/http_error.h"

namespace pelton {
namespace {

constexpr size_t kCountMax = 32;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded_part(std::string_view part) {
  std::string text(part);
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decoded(text, "query");
}

}  // namespace

std::string percent_decoded(std::string_view text, std::string_view what) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) throw HttpError(400, "bad_request", fmt::format("the {} has a broken %-escape", what));
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> values;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    std::string name = decoded_part(part.substr(0, equals));
    const auto is_same = [&](const auto& value) { return value.first == name; };
    if (std::any_of(values.begin(), values.end(), is_same)) {
      throw HttpError(400, "bad_request", fmt::format("the query has \"{}\" twice", name), name);
    }
    if (values.size() == kCountMax) {
      throw HttpError(400, "bad_request", fmt::format("the query has more than {} names", kCountMax));
    }
    values.emplace_back(std::move(name), decoded_part(part.substr(std::min(equals + 1, part.size()))));
  }
  return values;
}

}  // namespace pelton
