// Repairs of a text's form, that leave what it says as it is. Pure functions; fenced blocks (```) are code and keep
// their white space and lines.
#pragma once

#include <string>
#include <string_view>

namespace pelton::data {

enum class UnicodeForm { kNone, kNfc, kNfkc };
// Unicode 15, annex 15 (ICU). Bytes that are no UTF-8 become U+FFFD.
std::string normalize_unicode(std::string_view text, UnicodeForm form);

// Without control characters (but tab and line feed), zero-width and direction marks, soft hyphens and byte order
// marks. Zero-width joiners stay beside characters beyond ASCII: scripts and emoji need them.
std::string remove_invisible(std::string_view text);

// UTF-8 that was read as Windows-1252 and encoded again ("cafÃ©"), once or several times, becomes what it was. Only
// runs that are valid UTF-8 then are touched.
std::string repair_mojibake(std::string_view text);

// Line ends become \n, all other white space a space; runs within a line become one, those at its end go; at most one
// empty line between others, none at the ends. A line's indent stays.
std::string normalize_whitespace(std::string_view text);

// Lines that were broken for width are joined: where one ends in a letter or comma and the next goes on in lower case.
// A word cut by a hyphen there becomes whole.
std::string join_broken_lines(std::string_view text);

// Without a last sentence that has no end. Texts without any sentence that ends, and those that end in a closed fence,
// a list or a table, stay as they are.
std::string_view cut_truncated_end(std::string_view text);

}  // namespace pelton::data
