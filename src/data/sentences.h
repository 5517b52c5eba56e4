// A text cut into sentences, as Unicode's rules find their ends (UAX #29, by ICU).
#pragma once

#include <string_view>
#include <vector>

namespace pelton::data {

// Back to back: each with the white space behind it. Bytes that are no UTF-8 end up in some sentence. Any thread.
std::vector<std::string_view> sentences_of(std::string_view text);

}  // namespace pelton::data
