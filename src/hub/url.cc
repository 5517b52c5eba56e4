#include "hub/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "base/error.h"
#include "io/in_quotes.h"

namespace pelton {
namespace {

constexpr size_t kUrlBytesMax = 16 << 10;  // signed addresses of object stores have up to 4 KiB
constexpr size_t kHostBytesMax = 253;      // of DNS

uint16_t default_port(bool is_secure) { return is_secure ? 443 : 80; }

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_hex(char letter) {
  return is_digit(letter) || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}
bool is_alphanumeric(char letter) {
  return is_digit(letter) || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

[[noreturn]] void fail(std::string_view text, std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is no address that can be fetched: {}", in_quotes(text), why));
}

void set_port(std::string_view digits, std::string_view text, Url& url) {
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port < 1 || port > 65535) {
    fail(text, "its port is no number from 1 to 65535");
  }
  url.port = static_cast<uint16_t>(port);
}

void set_authority(std::string_view authority, std::string_view text, Url& url) {
  if (authority.find('@') != std::string_view::npos) fail(text.substr(0, 8), "it has a user name in it");
  url.port = default_port(url.is_secure);
  std::string_view host = authority;
  std::string_view rest;
  const bool is_ipv6 = authority.starts_with('[');
  if (is_ipv6) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) fail(text, "a '[' without its ']'");
    host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') fail(text, "text after the ']'");
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (!rest.empty()) set_port(rest.substr(1), text, url);
  const auto is_allowed = [&](char letter) {
    return is_ipv6 ? is_hex(letter) || letter == ':' || letter == '.'
                   : is_alphanumeric(letter) || letter == '-' || letter == '.' || letter == '_';
  };
  if (host.empty() || host.size() > kHostBytesMax || !std::all_of(host.begin(), host.end(), is_allowed)) {
    fail(text, "its host is no name and no number");
  }
  url.host = ascii_lower(host);
}

void set_target(std::string_view target, std::string_view text, Url& url) {
  target = target.substr(0, target.find('#'));
  for (const char letter : target) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte <= 0x20 || byte == 0x7F) fail(text, "it has a space or a control character in it");
  }
  url.target = target.starts_with('/') ? "" : "/";
  // Bytes past ASCII as some servers write them into Location: encoded, so that the request line stays plain.
  for (const char letter : target) {
    const auto byte = static_cast<unsigned char>(letter);
    url.target += byte < 0x80 ? std::string(1, letter) : fmt::format("%{:02X}", byte);
  }
}

}  // namespace

bool Url::is_loopback() const {
  if (host == "localhost" || host == "::1") return true;
  return host.starts_with("127.") &&
         std::all_of(host.begin(), host.end(), [](char letter) { return is_digit(letter) || letter == '.'; });
}

Url parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) fail(text, fmt::format("it is longer than {} bytes", kUrlBytesMax));
  Url url;
  const size_t colon = text.find("://");
  const std::string scheme = ascii_lower(text.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "https" && scheme != "http") fail(text, "it begins with neither https:// nor http://");
  url.is_secure = scheme == "https";
  const std::string_view rest = text.substr(colon + 3);
  const size_t target = std::min(rest.find_first_of("/?#"), rest.size());
  set_authority(rest.substr(0, target), text, url);
  set_target(rest.substr(target), text, url);
  return url;
}

Url resolve_url(const Url& base, std::string_view reference) {
  if (reference.find("://") < reference.find_first_of("/?#")) return parse_url(reference);
  if (reference.starts_with("//")) return parse_url(fmt::format("{}:{}", base.is_secure ? "https" : "http", reference));
  if (reference.size() > kUrlBytesMax) fail(reference, "it is too long");
  Url url = base;
  if (reference.starts_with('/')) {
    set_target(reference, reference, url);
  } else {
    const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
    const std::string_view folder = reference.starts_with('?') ? path : path.substr(0, path.rfind('/') + 1);
    set_target(fmt::format("{}{}", folder, reference), reference, url);
  }
  return url;
}

std::string authority_of(const Url& url) {
  const std::string host = url.host.find(':') == std::string::npos ? url.host : fmt::format("[{}]", url.host);
  return url.port == default_port(url.is_secure) ? host : fmt::format("{}:{}", host, url.port);
}

std::string to_string(const Url& url) {
  return fmt::format("{}://{}{}", url.is_secure ? "https" : "http", authority_of(url), url.target);
}

std::string to_display(const Url& url) {
  Url without_query = url;
  without_query.target = url.target.substr(0, url.target.find('?'));
  return to_string(without_query);
}

std::string percent_encode(std::string_view text, std::string_view keeps) {
  std::string encoded;
  for (const char letter : text) {
    const bool is_plain = is_alphanumeric(letter) || std::string_view("-._~").find(letter) != std::string_view::npos ||
                          keeps.find(letter) != std::string_view::npos;
    encoded += is_plain ? std::string(1, letter) : fmt::format("%{:02X}", static_cast<unsigned char>(letter));
  }
  return encoded;
}

}  // namespace pelton
