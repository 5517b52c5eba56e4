// JSON as people read it: Boost.JSON writes 1.1 as 1.1E0.
#pragma once

#include <string>

#include "base/json.h"

namespace pelton {

// One line. Each number is the shortest text that reads back as the same one; integers have no fraction and no
// exponent. Infinity and NaN, which JSON does not know, become null.
std::string to_json_text(const json::value& value);

}  // namespace pelton
