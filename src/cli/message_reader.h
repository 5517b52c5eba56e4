// What somebody says in one turn of a chat, which may be several lines.
#pragma once

#include <string>

#include "cli/line_reader.h"

namespace pelton::cli {

// One message: a line; lines that end in a backslash, and the one after; or all between """ and """.
// The end of the input inside of a message ends the message; Ctrl-C throws it away.
InputLine read_message(LineReader& lines);

}  // namespace pelton::cli
