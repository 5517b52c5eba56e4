// Text out of files that nobody has checked, made safe to show and to put into JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pelton::cli {

// Valid UTF-8: what is no character becomes U+FFFD (text/utf8.h).
std::string valid_utf8(std::string_view text);

// One line for a terminal: valid_utf8, control characters as \n, \t, \x1b, and "…" after `bytes_max`.
std::string one_line(std::string_view text, size_t bytes_max);

}  // namespace pelton::cli
