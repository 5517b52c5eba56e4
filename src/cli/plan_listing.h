// A model's list of layer calls before and after fusing (model/fusion.h), for people and for programs.
#pragma once

#include <string>

#include "base/json.h"
#include "model/graph.h"

namespace pelton::cli {

struct InferencePlan {
  Graph plain;
  Graph fused;  // for int8 activations, the default
};

// Both lists and their counts, by kind.
std::string to_text(const InferencePlan& plan);
// {"activations", "fusions": [{"name", "pattern", "replacement"}], "before": {"call_count", "kinds", "calls"},
// "after"}.
json::object to_json(const InferencePlan& plan);

}  // namespace pelton::cli
