// Reward models (Bradley and Terry 1952; Christiano et al. 2017, arXiv 1706.03741; Ouyang et al. 2022, arXiv
// 2203.02155): the difference of the scores of chosen and rejected is how likely people are to choose so, in logits.
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class Reward final : public MarginObjective {
 public:
  explicit Reward(const ObjectiveOptions& options) : MarginObjective(Scores::kSums, 1), options_(options) {}

 private:
  LossOfMargin loss_of(double margin) const override {
    const double wrong = options_.label_smoothing;
    return {-(1 - wrong) * log_sigmoid(margin) - wrong * log_sigmoid(-margin),
            -(1 - wrong) * sigmoid(-margin) + wrong * sigmoid(margin)};
  }

  ObjectiveOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_reward(const ObjectiveOptions& options) { return std::make_unique<Reward>(options); }

}  // namespace pelton
