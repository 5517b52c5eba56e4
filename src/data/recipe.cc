#include "data/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/name_value.h"
#include "io/yaml.h"

namespace pelton::data {
namespace {

constexpr size_t kStepsMax = 64;  // a bit of Record::changed_by each

[[noreturn]] void fail(std::string_view path, std::string_view reason) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", path, reason), std::string(path));
}

// The value that a path leads to; objects on the way are made.
json::value& at_path(json::value& root, std::string_view path) {
  json::value* value = &root;
  for (std::string_view rest = path; !rest.empty();) {
    const size_t point = std::min(rest.find('.'), rest.size());
    const std::string_view name = rest.substr(0, point);
    rest.remove_prefix(std::min(point + 1, rest.size()));
    if (value->is_array()) {
      size_t index = 0;
      const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), index);
      if (code != std::errc() || end != name.data() + name.size() || index >= value->get_array().size()) {
        fail(path, fmt::format("the recipe has no item '{}' there", name));
      }
      value = &value->get_array()[index];
    } else {
      if (value->is_null()) *value = json::object();
      if (value->is_string()) {  // a step without options: `- exact`
        json::object with_options;
        with_options[value->get_string()] = json::object();
        *value = std::move(with_options);
      }
      if (!value->is_object()) fail(path, fmt::format("the recipe has no '{}' there", name));
      value = &value->get_object()[name];
    }
  }
  return *value;
}

void apply_override(json::value& recipe, std::string_view text) {
  const std::optional<NameValue> pair = split_name_value(text);
  if (!pair || pair->name.empty()) fail(text, "expected key=value");
  at_path(recipe, pair->name) = parse_yaml(pair->value, text);
}

std::optional<Format> read_format(const JsonReader& reader, std::string_view name) {
  const std::string given = reader.string(name).value_or("auto");
  if (given == "auto") return std::nullopt;
  if (const std::optional<Format> format = format_named(given)) return format;
  reader.fail(name, fmt::format("auto or one of {}", fmt::join(format_names(), ", ")));
}

RecipeInput read_input(const json::value& value, const std::string& path) {
  RecipeInput input;
  if (value.is_string()) {
    input.pattern = value.get_string();
    return input;
  }
  const JsonReader reader = JsonReader::of(value, path);
  input.pattern = reader.string("path").value_or("");
  if (input.pattern.empty()) reader.fail("path", "a file, a folder or a glob");
  input.like.license = reader.string("license").value_or("");
  input.like.url = reader.string("url").value_or("");
  input.like.split = reader.string("split").value_or("");
  input.like.is_synthetic = reader.boolean("synthetic").value_or(false);
  input.like.model = reader.string("model").value_or("");
  input.like.prompt = reader.string("prompt").value_or("");
  reader.refuse_others({"path", "license", "url", "split", "synthetic", "model", "prompt"});
  return input;
}

std::vector<RecipeInput> read_inputs(const JsonReader& reader) {
  const json::value* value = reader.value("input");
  if (value == nullptr) reader.fail("input", "a file, a folder, a glob, or a list of them");
  std::vector<RecipeInput> inputs;
  if (!value->is_array()) {
    inputs.push_back(read_input(*value, "input"));
    return inputs;
  }
  for (const json::value& item : value->get_array()) {
    inputs.push_back(read_input(item, fmt::format("input[{}]", inputs.size())));
  }
  if (inputs.empty()) reader.fail("input", "at least one file");
  return inputs;
}

std::string read_output(const JsonReader& reader) {
  std::string path = reader.string("output").value_or("");
  if (!without_packing(path).ends_with(".jsonl") && !is_parquet(path)) {
    reader.fail("output", "a file whose name ends in .jsonl, .jsonl.gz, .jsonl.zst or .parquet");
  }
  return path;
}

std::string read_dropped(const JsonReader& reader, const std::string& output) {
  std::string path = reader.string("dropped").value_or(output_stem(output) + ".dropped.jsonl");
  if (!without_packing(path).ends_with(".jsonl")) {
    reader.fail("dropped", "a file whose name ends in .jsonl, .jsonl.gz or .jsonl.zst");
  }
  return path;
}

// `- exact` or `- minhash: {ngram: 5}`.
std::pair<std::string, json::object> name_and_options(const json::value& item, const std::string& path) {
  if (item.is_string()) return {std::string(item.get_string()), {}};
  if (!item.is_object() || item.get_object().size() != 1) fail(path, "expected a step's name with its options");
  const auto& [name, options] = *item.get_object().begin();
  if (options.is_null()) return {std::string(name), {}};
  if (!options.is_object()) fail(fmt::format("{}.{}", path, std::string_view(name)), "expected options, key: value");
  return {std::string(name), options.get_object()};
}

void read_steps(const JsonReader& reader, Recipe& recipe) {
  const json::array* steps = reader.array("steps");
  json::array in_force;
  std::map<std::string, int> counts;
  for (size_t i = 0; steps != nullptr && i < steps->size(); ++i) {
    const std::string path = fmt::format("steps[{}]", i);
    const auto [name, given] = name_and_options((*steps)[i], path);
    StepOptions options(given, fmt::format("{}.{}", path, name));
    Step step = make_step(name, options);
    const int count = ++counts[name];
    recipe.steps.push_back({count == 1 ? name : fmt::format("{}#{}", name, count), std::move(step)});
    json::object entry;
    entry[name] = options.in_force();
    in_force.push_back(std::move(entry));
  }
  if (recipe.steps.size() > kStepsMax) fail("steps", fmt::format("at most {} steps", kStepsMax));
  recipe.in_force["steps"] = std::move(in_force);
}

std::string_view name_or_auto(std::optional<Format> format) { return format ? format_name(*format) : "auto"; }

}  // namespace

std::string output_stem(std::string_view output) {
  std::string_view stem = without_packing(output);
  for (const std::string_view ending : {".jsonl", ".parquet"}) {
    if (stem.ends_with(ending)) stem.remove_suffix(ending.size());
  }
  return std::string(stem);
}

bool is_parquet(std::string_view path) { return path.ends_with(".parquet"); }

Recipe read_recipe(std::string_view text, std::string_view what, const std::vector<std::string>& overrides) {
  json::value value = parse_yaml(text, what);
  if (value.is_null()) value = json::object();
  for (const std::string& item : overrides) apply_override(value, item);
  const JsonReader reader = JsonReader::of(value, "");
  Recipe recipe;
  recipe.inputs = read_inputs(reader);
  recipe.input_format = read_format(reader, "input_format");
  recipe.output = read_output(reader);
  recipe.output_format = read_format(reader, "output_format");
  recipe.dropped = read_dropped(reader, recipe.output);
  if (recipe.dropped == recipe.output) fail("dropped", "it is the output, too");
  const int64_t memory_mb = reader.integer("memory_mb", 1, int64_t{1} << 30).value_or(512);
  recipe.memory_bytes_max = static_cast<size_t>(memory_mb) << 20;
  recipe.in_force = {{"input", *reader.value("input")}, {"input_format", name_or_auto(recipe.input_format)},
                     {"output", recipe.output},         {"output_format", name_or_auto(recipe.output_format)},
                     {"dropped", recipe.dropped},       {"memory_mb", memory_mb}};
  read_steps(reader, recipe);
  reader.refuse_others({"input", "input_format", "output", "output_format", "dropped", "memory_mb", "steps"});
  return recipe;
}

}  // namespace pelton::data
