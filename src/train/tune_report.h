// A training run as a page for people: curves of its log, and what it was told.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton {

// log: lines of JSON, as run_tuning() writes them: steps, and evaluations between them. manifest: what it was told.
std::string tune_report(std::string_view log, const json::object& manifest);

}  // namespace pelton
