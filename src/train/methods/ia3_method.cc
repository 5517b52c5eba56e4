// IA³ (Liu et al. 2022, arXiv 2205.05638): a factor for each row of a matrix, or, of those that lead out of a
// feed-forward block, for each column, as PEFT has it. What comes out: PEFT's folder, or the base with the adapter
// merged.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "train/adapter_method.h"
#include "train/adapter_targets.h"

namespace pelton {
namespace {

// Feedforward modules, as PEFT calls them.
ScaledAxis axis_of(std::string_view weight) {
  return weight.ends_with(".down") ? ScaledAxis::kColumns : ScaledAxis::kRows;
}

// A new one changes nothing: all factors are 1.
Adapter make_ia3(const Model& base, const std::vector<std::string>& targets) {
  Adapter adapter;
  for (const TargetMatrix& target : find_targets(base, targets)) {
    const Shape shape = base.weights.at(target.weight).shape();
    const ScaledAxis axis = axis_of(target.weight);
    AdapterScaling& scaling = adapter.scalings.emplace_back();
    scaling = {target.weight, axis, Tensor::f32({shape[axis == ScaledAxis::kRows ? 0 : 1]})};
    std::fill_n(scaling.factors.mutable_floats(), scaling.factors.shape()[0], 1.0f);
  }
  return adapter;
}

// What the recipe says must be true of an adapter that is gone on with: the manifest repeats it.
void check_alike(const Adapter& given, const Adapter& wanted) {
  const auto describe = [](const Adapter& adapter, size_t i) {
    if (i >= adapter.scalings.size()) return std::string("no more factors");
    const AdapterScaling& scaling = adapter.scalings[i];
    return fmt::format("factors of {}'s {}", scaling.weight, scaling.axis == ScaledAxis::kRows ? "rows" : "columns");
  };
  for (size_t i = 0; i < std::max(given.scalings.size(), wanted.scalings.size()); ++i) {
    if (describe(given, i) == describe(wanted, i)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("init_adapter has {}, and the recipe's targets say {}; say there what it has",
                            describe(given, i), describe(wanted, i)),
                "init_adapter");
  }
}

Adapter first_adapter(const Model& base, const TuneRecipe& recipe) {
  Adapter fresh = make_ia3(base, recipe.targets);
  if (!recipe.init_adapter) return fresh;
  Adapter given = read_init_adapter(recipe, base);
  check_alike(given, fresh);
  return given;
}

// Weight decay would pull factors to 0, at which a matrix is gone, not unchanged; so they have none, as norms have.
std::vector<TrainedParameter> parameters_of(const Adapter& adapter) {
  std::vector<TrainedParameter> parameters;
  for (const AdapterScaling& scaling : adapter.scalings) {
    const std::string name = scaling.weight + std::string(kIa3Suffix);
    parameters.push_back({{.name = name, .value = scaling.factors, .decays = false}, {name}});
  }
  return parameters;
}

class Ia3Method final : public AdapterMethod {
 public:
  Ia3Method(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe)
      : AdapterMethod(base, recipe),
        adapter_(first_adapter(*base, recipe)),
        model_(with_head(with_adapter(*base, adapter_))) {}

  std::shared_ptr<const Model> model() const override { return model_; }
  std::vector<TrainedParameter> parameters() const override { return with_head(parameters_of(adapter_)); }
  std::string write_output(Executor& executor, const std::filesystem::path& base_path,
                           const std::filesystem::path& folder) const override {
    return write_adapter(executor, adapter_, base_path, folder);
  }

 private:
  Adapter adapter_;  // its memory is the parameters'
  std::shared_ptr<const Model> model_;
};

}  // namespace

MethodPlan plan_ia3_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  const Adapter adapter = first_adapter(*base, recipe);
  MethodPlan plan = plan_adapter_method(*base, adapter, parameters_of(adapter), recipe);
  plan.model = with_adapter(*base, adapter);
  return plan;
}

std::unique_ptr<TrainingMethod> make_ia3_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  return std::make_unique<Ia3Method>(base, recipe);
}

}  // namespace pelton
