// JSON as people read it: Boost.JSON writes 1.1 as 1.1E0.
#pragma once

#include <span>
#include <string>

#include "base/json.h"

namespace pelton {

// One line. Each number is the shortest text that reads back as the same one; integers have no fraction and no
// exponent. Infinity and NaN, which JSON does not know, become null.
std::string to_json_text(const json::value& value);

// Each number as the decimal number of the fewest digits that reads back as the same float32: what to_json_text then
// writes, half as long as the float's own value in full.
json::array to_json(std::span<const float> values);

}  // namespace pelton
