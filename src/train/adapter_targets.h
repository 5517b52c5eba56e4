// Which matrices of a base an adapter changes, by the names that a recipe gives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace pelton {

// A matrix that only linear layers read.
struct TargetMatrix {
  std::string weight;
  std::string tensor;  // of the Hugging Face form
  int64_t row_count;   // of that tensor, as a linear layer means it
  std::string module;  // the same without ".weight"
  bool is_output;      // gives the logits
};

// In the order of the base's weights. A target is "q", "k", "v", "o", "gate", "up", "down"; "all-linear" (all but the
// output matrix); the name of a Hugging Face module ("q_proj") or its end from a dot on; a pattern with * over the
// whole module's name. Error kInvalidArgument: a target that the model has not (what there is is named).
std::vector<TargetMatrix> find_targets(const Model& base, const std::vector<std::string>& targets);

}  // namespace pelton
