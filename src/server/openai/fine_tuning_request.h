// The body of POST /v1/fine_tuning/jobs, as OpenAI's clients send it, with one field more: `recipe`, keys of
// `pelton tune`'s own recipes, which win over hyperparameters.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "train/recipe.h"

namespace pelton::openai {

enum class TuningMethod : uint8_t { kSupervised, kDpo };

// Absent: "auto".
struct Hyperparameters {
  std::optional<int64_t> epochs;
  std::optional<int64_t> batch_size;
  std::optional<double> learning_rate_multiplier;
  std::optional<double> beta;  // dpo
};

struct FineTuningRequest {
  std::string model;
  std::string training_file;
  std::optional<std::string> validation_file;
  std::optional<std::string> suffix;
  std::optional<int64_t> seed;
  TuningMethod method = TuningMethod::kSupervised;
  Hyperparameters hyperparameters;
  json::object metadata;
  RecipeValues recipe;  // of the field `recipe`
  json::object body;    // all of it, as it came
};

// Errors: those of the fields; kInvalidArgument (model or training_file is missing; a suffix of other letters than
// a-z, A-Z, 0-9, - and _; metadata beyond OpenAI's limits), kUnsupported (another method; integrations; a key of
// recipes that has no place here).
FineTuningRequest parse_fine_tuning_request(std::string_view body);
json::object fine_tuning_request_schema();

// The run that this asks for, without its paths. What is "auto": as many passes as are usual for so few records as
// people have, pelton tune's own batches and rates. Errors: those of make_recipe(), with the key's place in the body.
TuneRecipe make_recipe(const FineTuningRequest& request);

// What "auto" came to: {"n_epochs", "batch_size", "learning_rate_multiplier", with dpo "beta"}.
json::object hyperparameters_of(const FineTuningRequest& request);

}  // namespace pelton::openai
