#include "cli/recipe_options.h"

#include <algorithm>
#include <vector>

#include "base/file.h"

namespace pelton::cli {
namespace {

constexpr uint64_t kRecipeBytesMax = uint64_t{1} << 20;

std::string flag_of(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  if (key == "model") flag = "-m," + flag;
  if (key == "output") flag = "-o," + flag;
  return flag;
}

}  // namespace

void add_recipe_options(CLI::App& app, RecipeOptions& options) {
  app.add_option("recipe", options.path, "A YAML file of the keys below")->type_name("RECIPE");
  add_recipe_flags(app, options, [](std::string_view) { return true; });
}

void add_recipe_flags(CLI::App& app, RecipeOptions& options, bool (*is_wanted)(std::string_view key)) {
  for (const RecipeKey& key : recipe_keys()) {
    if (!is_wanted(key.name)) continue;
    const std::string name(key.name);
    app.add_option_function<std::vector<std::string>>(
           flag_of(key.name),
           [&options, name](const std::vector<std::string>& texts) { options.overrides[name] = texts; },
           std::string(key.help))
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("")
        ->default_str(key.default_text)
        ->group("Recipe");
  }
}

RecipeValues read_recipe_file(const RecipeOptions& options) {
  if (!options.path) return {};
  return parse_recipe_values(read_file(*options.path, kRecipeBytesMax), *options.path);
}

TuneRecipe read_recipe(const RecipeOptions& options) {
  return make_recipe(read_recipe_file(options), options.overrides);
}

}  // namespace pelton::cli
