// Which proxy an address goes through.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/error.h"
#include "hub/http_client.h"

namespace pelton {
namespace {

std::string base64(std::string_view text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  encoded.resize(static_cast<size_t>(size));
  return encoded;
}

int hex_value(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// NO_PROXY: names separated by commas; each excepts the host itself and what ends in ".NAME"; "*" excepts all.
bool is_excepted(const std::string& host, std::string_view list) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const size_t begin = name.find_first_not_of(" .");
    if (begin == std::string_view::npos) continue;
    name = name.substr(begin, name.find_last_not_of(' ') - begin + 1);
    if (name == "*" || host == name || host.ends_with(fmt::format(".{}", name))) return true;
  }
  return false;
}

}  // namespace

std::optional<HttpProxy> proxy_of_environment(
    const Url& url, const std::function<std::optional<std::string>(const char* variable)>& variable) {
  if (!url.is_secure || url.is_loopback()) return std::nullopt;
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    if (const auto list = variable(name); list && is_excepted(url.host, *list)) return std::nullopt;
  }
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const std::optional<std::string> value = variable(name);
    if (!value) continue;
    const std::string address = value->find("://") == std::string::npos ? "http://" + *value : *value;
    if (!address.starts_with("http://")) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} names a proxy that does not begin with http://; other kinds of "
                              "proxies are not supported (NO_PROXY={} goes past it)",
                              name, url.host));
    }
    HttpProxy proxy;
    const size_t authority = std::string_view("http://").size();
    const size_t at = address.substr(0, address.find('/', authority)).rfind('@');
    if (at == std::string::npos) {
      proxy.url = parse_url(address);
    } else {
      proxy.url = parse_url("http://" + address.substr(at + 1));
      proxy.authorization = "Basic " + base64(percent_decode(address.substr(authority, at - authority)));
    }
    return proxy;
  }
  return std::nullopt;
}

}  // namespace pelton
