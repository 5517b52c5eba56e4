// The base's own weights, in float32: all of them, or those that match patterns, or of the last layers. What comes out
// is a model's folder.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "model/convert.h"
#include "model/score_head.h"
#include "quant/blocks.h"
#include "train/method.h"
#include "train/name_pattern.h"

namespace pelton {
namespace {

// Of "layers.3.mlp.up" 3.
std::optional<int64_t> layer_number(std::string_view weight) {
  constexpr std::string_view kPrefix = "layers.";
  if (!weight.starts_with(kPrefix)) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(weight.data() + kPrefix.size(), weight.data() + weight.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

// Canonical names of those that the recipe says, in the base's order.
std::vector<std::string> chosen_weights(const Model& base, const TuneRecipe& recipe) {
  const WeightPlaces places = weight_places(base.graph, base.architecture->weight_names, WeightNaming::kHuggingFace);
  const auto matches = [&](const std::string& pattern, const std::string& weight) {
    return matches_pattern(pattern, places.find(weight)->second.tensor);
  };
  const int64_t layer_count = base.spec.layer_count;
  if (recipe.last_layers && *recipe.last_layers > layer_count) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("last_layers: the model has {} layers, not {}", layer_count, *recipe.last_layers),
                "last_layers");
  }
  const auto is_late = [&](const std::string& weight) {
    if (!recipe.last_layers) return true;
    const std::optional<int64_t> number = layer_number(weight);
    return number && *number >= layer_count - *recipe.last_layers;
  };
  std::vector<std::string> chosen;
  for (const WeightSpec& weight : base.graph.weights) {
    const bool is_chosen =
        is_late(weight.name) && std::any_of(recipe.trained.begin(), recipe.trained.end(),
                                            [&](const auto& pattern) { return matches(pattern, weight.name); });
    if (is_chosen || weight.name == kScoreHead) chosen.push_back(weight.name);
  }
  for (const std::string& pattern : recipe.trained) {
    const bool has_matched =
        std::any_of(chosen.begin(), chosen.end(), [&](const auto& weight) { return matches(pattern, weight); });
    if (has_matched) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("trained: \"{}\" matches no weight{}; there is {}, for one", pattern,
                            recipe.last_layers ? " of the last layers" : "", places.begin()->second.tensor),
                "trained");
  }
  return chosen;
}

class FullMethod final : public TrainingMethod {
 public:
  FullMethod(std::shared_ptr<const Model> base, const TuneRecipe& recipe)
      : base_(std::move(base)), output_type_(recipe.output_type.value_or("f32")) {
    for (const std::string& name : chosen_weights(*base_, recipe))
      weights_.emplace_back(name, base_->weights.decoded(name));
  }

  std::shared_ptr<const Model> model() const override {
    return with_weights(*base_, {weights_.begin(), weights_.end()});
  }

  std::vector<TrainedParameter> parameters() const override {
    std::vector<TrainedParameter> parameters;
    for (const auto& [name, value] : weights_) {
      // Norms and biases are not pulled to zero.
      parameters.push_back({{.name = name, .value = value, .decays = value.shape().rank() > 1}, {name}});
    }
    return parameters;
  }

  bool trains_base() const override { return true; }
  std::string_view output_kind() const override { return "model"; }
  void check_output(const std::filesystem::path& base_path) const override { check_conversion(options(base_path, {})); }

  std::string write_output(Executor& executor, const std::filesystem::path& base_path,
                           const std::filesystem::path& folder) const override {
    write_model_files(executor, options(base_path, folder));
    return "";
  }

 private:
  ConvertOptions options(const std::filesystem::path& base_path, const std::filesystem::path& folder) const {
    ConvertOptions options;
    options.source = base_path;
    options.destination = folder;
    options.type = output_type_;
    options.changed = model();
    return options;
  }

  std::shared_ptr<const Model> base_;
  std::string output_type_;
  std::vector<std::pair<std::string, Tensor>> weights_;
};

}  // namespace

MethodPlan plan_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  MethodPlan plan;
  plan.trains_base = true;
  int64_t largest = 0;
  for (const std::string& name : chosen_weights(*base, recipe)) {
    const Shape shape = base->weights.at(name).shape();
    plan.parameters.push_back({name, shape});
    plan.trained.insert(name);
    plan.weight_bytes += shape.element_count() * int64_t{sizeof(float)};
  }
  for (const WeightSpec& weight : base->graph.weights) largest = std::max(largest, weight.shape.element_count());
  plan.writing_bytes = largest * int64_t{sizeof(float)};  // tensor by tensor, also those that are not trained
  plan.model = std::move(base);
  return plan;
}

std::unique_ptr<TrainingMethod> make_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  return std::make_unique<FullMethod>(std::move(base), recipe);
}

}  // namespace pelton
