// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pelton {

std::string to_base64(std::string_view bytes);
// None: it is no base64, or has no padding where some belongs.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace pelton
