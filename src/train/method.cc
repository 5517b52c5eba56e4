#include "train/method.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pelton {

std::unique_ptr<TrainingMethod> make_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
std::unique_ptr<TrainingMethod> make_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
MethodPlan plan_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
MethodPlan plan_full_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe);

namespace {

constexpr TrainingMethodKind kMethods[] = {
    {"lora", "matrices of low rank beside those of the base", make_lora_method, plan_lora_method},
    {"full", "the base's own weights, all or some", make_full_method, plan_full_method},
};

}  // namespace

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
