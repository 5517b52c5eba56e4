// The story of a record, from what its runs have left beside their outputs.
#pragma once

#include <string>

#include "base/json.h"

namespace pelton::data {

// `output` is a run's output. One object for each run that the record went through, the last one first (where an input
// was itself a run's output, its story goes on there):
//   {"output": …, "read": {"source", "line", "hash", what the recipe says of the source, "record": as it was read},
//    "changes": [{"step", "changed", "detail"}], "dropped": {"step", "reason", …}}
// and, where it was kept, "kept": {"line", "record"}, or "kept": {} for a record without an id of its own, whose line
// in the output has no name. Several records may have one id: all are told of. Error kNotFound: no manifest beside
// `output`, or no record of that id in its lineage.
json::array trace_record(const std::string& id, const std::string& output);

}  // namespace pelton::data
