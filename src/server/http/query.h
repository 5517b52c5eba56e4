// What stands behind the "?" of a request's target: name=value&name=value, as HTML forms and every client write it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pelton {

// "a%2Fb" → "a/b". `what` is named in the error. Error: HttpError 400 (a broken escape).
std::string percent_decoded(std::string_view text, std::string_view what);

// In their order, decoded; a name without "=" has an empty value. Errors: HttpError 400 (a broken escape, a name that
// stands twice, more than 32 of them).
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace pelton
