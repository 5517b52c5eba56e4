// SimPO (Meng et al. 2024, arXiv 2405.14734): mean log-probabilities, no reference, a margin γ to be exceeded.
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class SimPo final : public MarginObjective {
 public:
  explicit SimPo(const ObjectiveOptions& options) : MarginObjective(Scores::kMeans, options.beta), options_(options) {}

 private:
  LossOfMargin loss_of(double margin) const override {
    const double beta = options_.beta, wrong = options_.label_smoothing, x = beta * margin - options_.margin;
    return {-(1 - wrong) * log_sigmoid(x) - wrong * log_sigmoid(-x),
            beta * (-(1 - wrong) * sigmoid(-x) + wrong * sigmoid(x))};
  }

  ObjectiveOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_simpo(const ObjectiveOptions& options) { return std::make_unique<SimPo>(options); }

}  // namespace pelton
