// What a command says: answers and reports on standard output, notes for people on standard error.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace pelton::cli {

// Writes and flushes, so that streamed text shows at once. Error kIo: the other end is gone, the disk is full.
void print_text(std::string_view text);
// One line. Error kIo.
void print_json(const json::value& value);

// {"error": {"code": …, "message": …}}: what a command prints with --json where it fails. What is no UTF-8 in the
// message (it may quote an argument or a file) becomes U+FFFD.
json::object error_to_json(ErrorCode code, std::string_view message);

// JSON knows no infinity and no NaN: null.
json::value json_number(double value);

// On standard error, for people; a failure to write it is no failure of the work.
void print_note(std::string_view line);

bool stdin_is_terminal();
bool stdout_is_terminal();

// Colours go to terminals only, and never where NO_COLOR (no-color.org) is set or TERM is "dumb".
bool uses_colour();

}  // namespace pelton::cli
