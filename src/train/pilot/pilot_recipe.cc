#include "train/pilot/pilot_recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace pelton {
namespace {

constexpr std::array<std::string_view, 19> kOtherKeys = {
    "model",           "data",         "output",           "eval_data",          "objective",    "beta",
    "label_smoothing", "simpo_margin", "desirable_weight", "undesirable_weight", "merge",        "output_type",
    "eval_steps",      "keep_best",    "early_stop",       "sample_prompts",     "sample_steps", "sample_tokens",
    "checkpoint_steps"};

void check(const TuneRecipe& recipe) {
  if (recipe.objective != "sft") {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("objective: a pilot measures how likely reference answers are, which sft makes better; "
                            "\"{}\" learns something else",
                            recipe.objective),
                "objective");
  }
  if (recipe.early_stop > 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "early_stop: all runs of a pilot must be trained alike, and none by looking at the eval; leave it out",
                "early_stop");
  }
}

}  // namespace

bool is_pilot_key(std::string_view key) {
  return std::find(kOtherKeys.begin(), kOtherKeys.end(), key) == kOtherKeys.end();
}

std::vector<TuneRecipe> make_pilot_recipes(RecipeValues file, const RecipeValues& flags, const PilotInputs& inputs) {
  const auto has_length = [](const RecipeValues& of) { return of.contains("steps") || of.contains("epochs"); };
  // OpenAI's and others' services begin with so many for sets of this size.
  if (!has_length(file) && !has_length(flags)) file["epochs"] = {"3"};
  RecipeValues values = flags;
  values["model"] = {inputs.model};
  values["eval_data"] = {inputs.evaluation};
  values["output"] = {inputs.output};
  std::vector<TuneRecipe> recipes;
  for (const std::string& data : inputs.data) {
    values["data"] = {data};
    check(recipes.emplace_back(make_recipe(file, values)));
  }
  return recipes;
}

json::object pilot_recipe_to_json(const TuneRecipe& recipe) {
  json::object all = recipe_to_json(recipe), own;
  for (const auto& [key, value] : all) {
    if (is_pilot_key(key)) own[key] = value;
  }
  return own;
}

}  // namespace pelton
