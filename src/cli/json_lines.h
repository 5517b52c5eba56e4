// Files of one JSON value a line.
#pragma once

#include <functional>
#include <string>

namespace pelton::cli {

// Calls visit(line) for each line that is not empty; `file` may be "-", standard input. One line is in memory at a
// time. Errors: kNotFound; kInvalidArgument: a line has more than 64 MB.
void for_each_line(const std::string& file, const std::function<void(const std::string&)>& visit);

}  // namespace pelton::cli
