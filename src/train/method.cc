#include "train/method.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/score_head.h"
#include "train/objective.h"

namespace pelton {

std::unique_ptr<TrainingMethod> make_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
std::unique_ptr<TrainingMethod> make_ia3_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
std::unique_ptr<TrainingMethod> make_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
MethodPlan plan_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
MethodPlan plan_ia3_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
MethodPlan plan_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);

namespace {

constexpr TrainingMethodKind kMethods[] = {
    {"lora", "matrices of low rank beside those of the base", make_lora_method, plan_lora_method},
    {"ia3", "factors for rows or columns of the base's", make_ia3_method, plan_ia3_method},
    {"full", "the base's own weights, all or some", make_full_method, plan_full_method},
};

}  // namespace

std::shared_ptr<const Model> training_base(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  if (base->spec.is_encoder) {
    throw Error(ErrorCode::kUnsupported, "the model is an encoder, and these are not trained yet", "model");
  }
  if (find_objective(recipe.objective).has_head) return with_score_head(base);
  if (base->spec.label_count == 0) return base;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("the model is a classifier, and the objective {} learns tokens; reward trains scores",
                          recipe.objective),
              "objective");
}

std::span<const TrainingMethodKind> training_method_kinds() { return kMethods; }

const TrainingMethodKind& find_training_method(std::string_view name) {
  std::string names;
  for (const TrainingMethodKind& kind : kMethods) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("method: \"{}\" is none of {}", name, names), "method");
}

}  // namespace pelton
