// What a training run needs of memory, beside what there is.
#pragma once

#include <string>

#include "base/memory_usage.h"
#include "train/memory_plan.h"
#include "train/tune_run.h"

namespace pelton {

class TuneMemory {
 public:
  // before: what the process held before it loaded the model, whose file's pages do not count twice.
  TuneMemory(const ResidentBytes& before, std::shared_ptr<const Model> base, const TuneRecipe& recipe,
             const TuneData& data);

  const MemoryPlan& plan() const { return plan_; }
  // For the whole process; 0: the system does not say.
  int64_t available_bytes() const { return available_bytes_; }
  bool fits() const { return available_bytes_ == 0 || plan_.total_bytes() <= available_bytes_; }
  // Where it does not fit: what is needed, what there is, and what would fit: "activation_checkpointing: layer would
  // fit, with 1.2 GiB", or that nothing would.
  std::string refusal() const;
  std::string advice() const;  // its last part

 private:
  std::shared_ptr<const Model> base_;
  const TuneRecipe& recipe_;
  const TuneData& data_;
  int64_t held_bytes_;
  MemoryPlan plan_;
  int64_t available_bytes_;
};

// A table for people.
std::string to_text(const MemoryPlan& plan);

}  // namespace pelton
