// A recipe (train/recipe.h) on the command line: a file, and its keys as flags.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "train/recipe.h"

namespace pelton::cli {

struct RecipeOptions {
  std::optional<std::string> path;
  RecipeValues overrides;
};

// `options` must live as long as `app`.
void add_recipe_options(CLI::App& app, RecipeOptions& options);
// Of the keys those that are wanted, as flags; no file.
void add_recipe_flags(CLI::App& app, RecipeOptions& options, bool (*is_wanted)(std::string_view key));
// Of the file alone; empty: there is none. Errors: those of reading it, kInvalidArgument.
RecipeValues read_recipe_file(const RecipeOptions& options);
// Errors: those of reading the file and of make_recipe().
TuneRecipe read_recipe(const RecipeOptions& options);

}  // namespace pelton::cli
