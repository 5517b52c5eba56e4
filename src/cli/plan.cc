// `pelton plan`: what work would need, before it is begun.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/memory_usage.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/recipe_options.h"
#include "model/bundle.h"
#include "report/text_table.h"
#include "train/tune_memory.h"

namespace pelton::cli {
namespace {

constexpr const char* kTuneNotes =
    "With a recipe, as `pelton tune` takes it: the memory that this run will hold at most on this machine. Activations "
    "are counted by sending the run's own batches through the model without computing. Where it does not fit, the "
    "nearest change of the recipe that does is named, and the exit code is 1. `pelton tune` makes the same sums before "
    "it begins.\n"
    "With --parameters: what a model of that size takes, by the sums of the field; gradients and Adam's two "
    "moments are three numbers for each trained parameter.\n"
    "\n"
    "Examples:\n"
    "  pelton plan tune recipe.yaml\n"
    "  pelton plan tune -m smollm2-135m-instruct-q4_1 --data chats.jsonl -o out --method full --json\n"
    "  pelton plan tune --parameters 13B\n"
    "  pelton plan tune --parameters 7B --trained-share 0.01 --bytes-per-number 2\n";

struct PlanTuneOptions {
  RecipeOptions recipe;
  std::optional<double> parameter_count;
  double bytes_per_number = 2;
  double trained_share = 1;
  bool as_json = false;
};

// "13B", "135M", "1.5e9".
double parse_parameter_count(const std::string& text) {
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  const std::string unit = text.substr(end);
  const double factor = unit.empty()  ? 1
                        : unit == "K" ? 1e3
                        : unit == "M" ? 1e6
                        : unit == "B" ? 1e9
                        : unit == "T" ? 1e12
                                      : 0;
  const double count = value * factor;
  if (end == 0 || !(count >= 1 && count <= 1e15)) {
    throw Error(ErrorCode::kUsage, fmt::format("--parameters: expected a number as in 13B or 135M, got \"{}\"", text));
  }
  return count;
}

int plan_by_parameters(const PlanTuneOptions& options) {
  const double count = *options.parameter_count;
  const ParameterMemory memory = parameter_memory(count, options.bytes_per_number, options.trained_share);
  if (options.as_json) {
    print_json({{"parameters", count},
                {"bytes_per_number", options.bytes_per_number},
                {"trained_share", options.trained_share},
                {"weight_bytes", memory.weight_bytes},
                {"inference_bytes", memory.inference_bytes},
                {"gradient_adam_bytes", memory.gradient_adam_bytes},
                {"training_bytes", memory.training_bytes}});
    return 0;
  }
  // As the field counts them: a gigabyte is 10⁹ bytes.
  const auto gigabytes = [](double bytes) { return fmt::format("{:.3g} GB", bytes / 1e9); };
  const std::string numbers = fmt::format("{:g} billion", count / 1e9);
  const std::string bytes = fmt::format("{:g} bytes", options.bytes_per_number);
  const std::string trained =
      options.trained_share == 1 ? "" : fmt::format(" × {:g} of them trained", options.trained_share);
  TextTable table({{"", Align::kLeft}, {"memory"}, {"", Align::kLeft}});
  table.add_row({"weights", gigabytes(memory.weight_bytes), numbers + " × " + bytes});
  table.add_row({"inference", gigabytes(memory.inference_bytes), "weights × 1.2, for activations, keys and values"});
  table.add_row({"gradients and Adam", gigabytes(memory.gradient_adam_bytes), numbers + " × 3 × " + bytes + trained});
  table.add_row(
      {"finetuning", gigabytes(memory.training_bytes), "weights, gradients and Adam; activations come on top"});
  print_text(table.to_string());
  return 0;
}

int plan_tune(const PlanTuneOptions& options) {
  if (options.parameter_count) return plan_by_parameters(options);
  const ResidentBytes before = resident_bytes();
  const TuneRecipe recipe = read_recipe(options.recipe);
  const std::shared_ptr<const ModelBundle> bundle = require_generator(load_bundle(recipe.model));
  const TuneData data = read_tune_data(bundle, recipe);
  const TuneMemory memory(before, bundle->model, recipe, data);
  const std::string advice = memory.fits() ? "" : memory.advice();
  if (options.as_json) {
    json::object object = to_json(memory.plan());
    object["available_bytes"] = memory.available_bytes();
    object["fits"] = memory.fits();
    object["advice"] = advice.empty() ? json::value(nullptr) : json::value(advice);
    print_json(object);
  } else {
    print_text(to_text(memory.plan()));
    print_text(fmt::format("{} are available{}\n", format_byte_size(memory.available_bytes()),
                           memory.fits() ? ": it fits" : ": it does not fit; " + advice));
  }
  return memory.fits() ? 0 : 1;
}

std::function<int()> add_plan_tune(CLI::App& app) {
  const auto options = std::make_shared<PlanTuneOptions>();
  add_recipe_options(app, options->recipe);
  app.add_option_function<std::string>(
         "--parameters", [options](const std::string& text) { options->parameter_count = parse_parameter_count(text); },
         "How many numbers a model has, in place of a recipe: 135M, 13B")
      ->type_name("COUNT");
  app.add_option("--bytes-per-number", options->bytes_per_number, "Of --parameters: 2 for 16 bits, 4 for 32")
      ->check(CLI::Range(0.1, 8.0))
      ->capture_default_str();
  app.add_option("--trained-share", options->trained_share, "Of --parameters: the share that is trained")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kTuneNotes);
  return [options] { return plan_tune(*options); };
}

}  // namespace

std::function<int()> add_plan(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* tune = app.add_subcommand("tune", "The memory of a training run");
  return add_plan_tune(*tune);
}

}  // namespace pelton::cli
