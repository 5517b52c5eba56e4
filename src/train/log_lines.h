// A training log, line by line.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"

namespace pelton {

// Empty lines are none. Error kInvalidArgument: one is no JSON object.
std::vector<json::object> log_lines(std::string_view log);

}  // namespace pelton
