// Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290). With label smoothing: conservative DPO
// (Mitchell 2023).
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class Dpo final : public MarginObjective {
 public:
  explicit Dpo(const ObjectiveOptions& options) : MarginObjective(Scores::kSums, options.beta), options_(options) {}
  bool needs_reference() const override { return true; }

 private:
  LossOfMargin loss_of(double margin) const override {
    const double beta = options_.beta, wrong = options_.label_smoothing, x = beta * margin;
    return {-(1 - wrong) * log_sigmoid(x) - wrong * log_sigmoid(-x),
            beta * (-(1 - wrong) * sigmoid(-x) + wrong * sigmoid(x))};
  }

  ObjectiveOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_dpo(const ObjectiveOptions& options) { return std::make_unique<Dpo>(options); }

}  // namespace pelton
