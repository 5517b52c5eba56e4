#include "load/fetch_text.h"

#include <fmt/format.h>

#include <span>

#include "base/error.h"

namespace pelton {

std::string fetch_text(HttpClient& client, const Url& url, const std::optional<std::string>& key, size_t bytes_max) {
  HttpFields fields;
  if (key) fields.emplace_back("Authorization", "Bearer " + *key);
  int status = 0;
  std::string text;
  const auto failure = client.get(
      url, fields,
      [&](const HttpHead& head) {
        status = head.status;
        return true;
      },
      [&](std::span<const std::byte> bytes) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return text.size() < bytes_max;
      });
  if (failure) throw Error(ErrorCode::kIo, fmt::format("{}: {}", to_display(url), failure->message));
  if (status != 200) throw Error(ErrorCode::kIo, fmt::format("{}: HTTP {}", to_display(url), status));
  return text;
}

}  // namespace pelton
