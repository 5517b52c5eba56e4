#include "train/objective.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pelton {

std::unique_ptr<Objective> make_sft(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_dpo(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_dpo_hinge(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_dpo_robust(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_ipo(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_kto(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_orpo(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_reward(const ObjectiveOptions& options);
std::unique_ptr<Objective> make_simpo(const ObjectiveOptions& options);

namespace {

constexpr ObjectiveKind kObjectives[] = {
    {"sft", "the likelihood of answers, or of whole texts", make_sft},
    {"dpo", "preferences against the model as it was", make_dpo},
    {"dpo_hinge", "the same with a hinge", make_dpo_hinge},
    {"dpo_robust", "the same where some preferences are wrong", make_dpo_robust},
    {"ipo", "preferences, with a margin to be met and not exceeded", make_ipo},
    {"kto", "answers labelled good or bad, against the model as it was", make_kto},
    {"orpo", "likelihood and preferences at once, without a reference", make_orpo},
    {"reward", "a model that scores answers, by preferences (Bradley-Terry)", make_reward, /*has_head=*/true},
    {"simpo", "preferences by mean likelihood, without a reference", make_simpo},
};

}  // namespace

std::span<const ObjectiveKind> objective_kinds() { return kObjectives; }

const ObjectiveKind& find_objective(std::string_view name) {
  std::string names;
  for (const ObjectiveKind& kind : kObjectives) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("objective: \"{}\" is none of {}", name, names), "objective");
}

}  // namespace pelton
