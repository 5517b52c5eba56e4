#include "train/step_batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace pelton {
namespace {

std::vector<std::vector<int64_t>> make_units(const TuneRecipe& recipe, std::span<const Example> examples) {
  std::vector<int64_t> lengths;
  for (const Example& example : examples) lengths.push_back(example.token_count());
  return pack_examples(lengths, recipe.packing ? recipe.sequence_length : 0);
}

DataOrder make_order(const TuneRecipe& recipe, std::span<const Example> examples, size_t unit_count) {
  DataOrderOptions options{
      .shuffles = recipe.shuffle, .seed = static_cast<uint64_t>(recipe.seed), .batch_size = recipe.batch_size};
  if (recipe.group_by_length) {
    for (const Example& example : examples) options.lengths.push_back(example.token_count());
  }
  return {std::max<int64_t>(1, static_cast<int64_t>(unit_count)), std::move(options)};
}

Schedule make_schedule(const TuneRecipe& recipe, size_t unit_count) {
  const double per_step = static_cast<double>(recipe.batch_size * recipe.gradient_accumulation);
  const double from_epochs = std::ceil(recipe.epochs * static_cast<double>(unit_count) / per_step);
  Schedule schedule;
  schedule.kind = *parse_schedule(recipe.schedule);
  schedule.steps = recipe.steps.value_or(static_cast<int64_t>(from_epochs));
  schedule.warmup_steps = recipe.warmup_steps;
  schedule.decay_steps = recipe.decay_steps;
  schedule.least = recipe.least_rate;
  if (schedule.warmup_steps > schedule.steps || schedule.decay_steps > schedule.steps) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("warmup_steps {} and decay_steps {} must fit into the run's {} steps",
                            schedule.warmup_steps, schedule.decay_steps, schedule.steps),
                "warmup_steps");
  }
  return schedule;
}

}  // namespace

StepBatches::StepBatches(const TuneRecipe& recipe, std::span<const Example> examples)
    : examples_(examples),
      units_(make_units(recipe, examples)),
      schedule_(make_schedule(recipe, units_.size())),
      order_(make_order(recipe, examples, units_.size())),
      batch_size_(recipe.batch_size),
      batches_per_step_(recipe.gradient_accumulation) {}

std::vector<std::vector<const Example*>> StepBatches::of_step(int64_t steps_done) {
  std::vector<std::vector<const Example*>> batches(static_cast<size_t>(batches_per_step_));
  int64_t position = batches_before(steps_done) * batch_size_;
  for (std::vector<const Example*>& batch : batches) {
    for (int64_t i = 0; i < batch_size_; ++i, ++position) {
      for (const int64_t example : units_[static_cast<size_t>(order_.at(position))]) {
        batch.push_back(&examples_[static_cast<size_t>(example)]);
      }
    }
  }
  return batches;
}

std::vector<std::vector<const Example*>> evaluation_batches(std::span<const Example> examples, int64_t batch_size) {
  std::vector<std::vector<const Example*>> batches;
  for (size_t begin = 0; begin < examples.size();) {
    size_t end = std::min(begin + static_cast<size_t>(batch_size), examples.size());
    if (end + 1 == examples.size()) ++end;
    std::vector<const Example*>& batch = batches.emplace_back();
    for (; begin < end; ++begin) batch.push_back(&examples[begin]);
  }
  return batches;
}

}  // namespace pelton
