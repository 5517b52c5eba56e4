// A text as a terminal of a grammar in llguidance's Lark: between quotes, escaped as in JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton {

inline std::string lark_string(std::string_view text) { return json::serialize(json::value(json::string(text))); }

}  // namespace pelton
