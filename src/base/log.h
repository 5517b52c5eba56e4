// The program's own log, to standard error: what an operator reads. Answers and reports go to standard output.
#pragma once

#include <string_view>

namespace pelton::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// Default kWarning; commands that serve raise it to kInfo.
void set_level(Level level);
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace pelton::log
