// Which examples each step of a run learns, batch by batch: a function of the recipe and their lengths alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/data_order.h"
#include "train/example.h"
#include "train/recipe.h"
#include "train/schedule.h"

namespace pelton {

class StepBatches {
 public:
  // The examples must stay where they are. Error kInvalidArgument: the schedule does not fit into the steps.
  StepBatches(const TuneRecipe& recipe, std::span<const Example> examples);

  int64_t step_count() const { return schedule_.steps; }
  // Of the step after `steps_done`, in order: `batch_size` examples a batch, or, packed, those of as many packs.
  std::vector<std::vector<const Example*>> of_step(int64_t steps_done);
  // The learning rate of that step, as a share of the recipe's.
  double rate_share(int64_t steps_done) const { return schedule_.share_at(steps_done); }
  // Batches of all steps before that one.
  int64_t batches_before(int64_t steps_done) const { return steps_done * batches_per_step_; }

 private:
  std::span<const Example> examples_;
  std::vector<std::vector<int64_t>> units_;  // indices of examples that come together: one, or a pack of them
  Schedule schedule_;
  DataOrder order_;
  int64_t batch_size_;
  int64_t batches_per_step_;
};

// Of examples that are not learnt, in order. None is left alone behind others: some objectives compare a batch's.
std::vector<std::vector<const Example*>> evaluation_batches(std::span<const Example> examples, int64_t batch_size);

}  // namespace pelton
