#include "server/http/request_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/rng.h"
#include "server/http/http_error.h"
#include "server/http/query.h"

namespace pelton {
namespace {

namespace beast = boost::beast;
using beast::http::field;

bool is_harmless_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::string_view value_of(const HttpHeader& header, std::string_view name) {
  const beast::string_view value = header[beast::string_view(name.data(), name.size())];
  return {value.data(), value.size()};
}

}  // namespace

std::string path_of_target(std::string_view target) {
  // A client may name the whole URL ("absolute form"), as to a proxy.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find_first_of("?#"));
  if (!target.starts_with('/')) throw HttpError(400, "bad_request", "the request's target is not a path");
  return percent_decoded(target, "path");
}

std::string query_of_target(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  return mark == std::string_view::npos ? "" : std::string(target.substr(mark + 1));
}

void check_head(const HttpHeader& header) {
  const auto host_count = header.count(field::host);
  if (host_count > 1 || (host_count == 0 && header.version() >= 11)) {
    throw HttpError(400, "bad_request", "a request must have one Host header");
  }
  // Also what a folded line makes of it: servers differ in whether that is one header or two.
  if (value_of(header, "host").find_first_of(" \t") != std::string_view::npos) {
    throw HttpError(400, "bad_request", "the Host header is not a host");
  }
  // Whoever understands more codings than we do would see another end of the body.
  if (header.count(field::transfer_encoding) > 1 ||
      (header.count(field::transfer_encoding) == 1 && !beast::iequals(header[field::transfer_encoding], "chunked"))) {
    throw HttpError(501, "unsupported", "Transfer-Encoding: only \"chunked\" is supported");
  }
  if (header.count(field::expect) > 0 && !beast::iequals(header[field::expect], "100-continue")) {
    throw HttpError(417, "bad_request", "Expect: only \"100-continue\" is supported");
  }
  if (header.count(field::content_encoding) > 0 && !beast::iequals(header[field::content_encoding], "identity")) {
    throw HttpError(415, "unsupported", "Content-Encoding: compressed requests are not supported");
  }
}

std::string credential_of(const HttpHeader& header) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view authorization = value_of(header, "authorization");
  if (authorization.size() > kScheme.size() &&
      beast::iequals({authorization.data(), kScheme.size()}, {kScheme.data(), kScheme.size()})) {
    const std::string_view secret = authorization.substr(kScheme.size());
    return std::string(secret.substr(std::min(secret.find_first_not_of(' '), secret.size())));
  }
  return std::string(value_of(header, "x-api-key"));
}

std::string request_id_of(const HttpHeader& header) {
  const std::string_view given = value_of(header, "x-request-id");
  if (is_harmless_id(given)) return std::string(given);
  static thread_local Rng rng((static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}());
  return fmt::format("req-{:016x}", rng.next());
}

}  // namespace pelton
