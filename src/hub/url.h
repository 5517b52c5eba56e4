// Addresses, and which of them may be asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pelton {

struct Url {
  bool is_secure = true;  // https
  std::string host;       // lower case; IPv6 without its brackets
  uint16_t port = 443;
  std::string target = "/";  // path and query, percent-encoded; begins with '/'

  bool has_origin_of(const Url& other) const {
    return is_secure == other.is_secure && host == other.host && port == other.port;
  }
  bool is_loopback() const;  // "localhost", 127.0.0.0/8, ::1
};

// http and https only; a fragment is left out; a space or other byte that an address cannot hold is an error, and so is
// a user name (a password would end up in logs). Error kInvalidArgument.
Url parse_url(std::string_view text);

// What a `Location` or `Link` header means on the page `base`: a whole address, "//host/path", "/path", or a path
// beside the page's. Error kInvalidArgument.
Url resolve_url(const Url& base, std::string_view reference);

std::string to_string(const Url& url);
// Without the query, where signed addresses keep their signatures: for messages.
std::string to_display(const Url& url);
// "host" or "host:port", IPv6 in brackets: the Host header.
std::string authority_of(const Url& url);

// All but letters, digits and "-._~" as %XX; `keeps` stay as well.
std::string percent_encode(std::string_view text, std::string_view keeps = {});

}  // namespace pelton
