// A record as a line of JSON again.
#pragma once

#include <optional>
#include <string>

#include "data/record.h"

namespace pelton::data {

// Appends the record's JSON object, without a newline, in `format` (default: its own). If nothing changed and the
// format is its own, these are the bytes of its line. Else its content is written anew where it stood, new and replaced
// fields too, and all other members stay as they are. A problem says why the format cannot hold the record; then `out`
// is as it was.
Problem write_record(const Record& record, std::optional<Format> format, std::string& out);

}  // namespace pelton::data
