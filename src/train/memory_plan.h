// How much memory a training run will hold at most, and the sums behind it.
//
// Activations are counted, not estimated: the run's own batches go through the model's list of calls, forwards and
// backwards, with buffers that have a size and no memory (model/differentiable.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "train/example.h"
#include "train/recipe.h"

namespace pelton {

struct MemoryPart {
  std::string name;  // "optimiser"
  int64_t bytes;
  std::string arithmetic;  // "adamw: 8 bytes for each of 460,800 numbers"; empty: nothing to say
};

struct MemoryPlan {
  std::vector<MemoryPart> parts;

  int64_t total_bytes() const;
};

// held_bytes: what the process holds but the model's weights, which count here as all read. Errors: those of the
// recipe's method and objective, as Trainer has them.
MemoryPlan plan_memory(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe,
                       const std::vector<Example>& examples, const std::vector<Example>& evaluation,
                       int64_t held_bytes);

// A recipe that fits where another does not, and what it changes of it: "activation_checkpointing: layer".
struct FittingRecipe {
  TuneRecipe recipe;
  std::string changes;
  int64_t total_bytes;
};
// The nearest to `recipe` that fits into `available_bytes`, all in all: activations computed again, then smaller
// batches with the same steps, an optimiser that remembers less, no copies of the base in BF16, then LoRA, each on top
// of those before. None: not even that does.
std::optional<FittingRecipe> find_fitting_recipe(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe,
                                                 const std::vector<Example>& examples,
                                                 const std::vector<Example>& evaluation, int64_t held_bytes,
                                                 int64_t available_bytes);

// {"parts": [{"name", "bytes", "arithmetic"}], "total_bytes"}
json::object to_json(const MemoryPlan& plan);

// The sums for a model that is not there yet, by the number of its parameters (Chip Huyen, AI Engineering 2025,
// chapter 7): what they take at so many bytes each, and what their gradients and Adam's two moments do.
struct ParameterMemory {
  double weight_bytes;
  double inference_bytes;      // weights · 1.2, for activations, keys and values
  double gradient_adam_bytes;  // three numbers a trained parameter
  double training_bytes;       // weights, gradients and Adam, without activations
};
ParameterMemory parameter_memory(double parameter_count, double bytes_per_number, double trained_share);

}  // namespace pelton
