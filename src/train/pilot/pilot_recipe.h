// What the runs of a pilot are told: a recipe of `pelton tune`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/recipe.h"

namespace pelton {

// Whether a key of a recipe can make a run of a pilot another one. Others say what a run is of, which the pilot says
// itself (model, data, output, eval_data), or what comes out besides the weights.
bool is_pilot_key(std::string_view key);

struct PilotInputs {
  std::string model = {};
  std::vector<std::string> data = {};  // a data set each: files, folders and globs, between commas
  std::string evaluation = {};         // likewise
  std::string output = {};
};

// One for each data set, alike but for that. `flags` win over `file`, and the inputs over both; epochs are 3 where
// nobody says how long to train. Errors: those of make_recipe(); kInvalidArgument: an objective other than sft, or
// early_stop, which would train some runs for longer than others.
std::vector<TuneRecipe> make_pilot_recipes(RecipeValues file, const RecipeValues& flags, const PilotInputs& inputs);

// What of a recipe decides what a run gives, its model and data apart.
json::object pilot_recipe_to_json(const TuneRecipe& recipe);

}  // namespace pelton
