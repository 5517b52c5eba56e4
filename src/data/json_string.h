// Strings as JSON writes them.
#pragma once

#include <string>
#include <string_view>

namespace pelton::data {

// Appends the text in quotes, escaped where JSON asks for it; valid UTF-8 stays as it is. Bytes that are none become
// U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The same for text that is known to be valid UTF-8: all that came out of JSON.
void append_valid_json_string(std::string& out, std::string_view text);

}  // namespace pelton::data
