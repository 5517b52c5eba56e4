// Identity preference optimisation (Azar et al. 2023, arXiv 2310.12036): the margin shall be 1 / (2 β). By means over
// tokens, as its authors recommend and TRL has it.
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class Ipo final : public MarginObjective {
 public:
  explicit Ipo(const ObjectiveOptions& options) : MarginObjective(Scores::kMeans, options.beta), beta_(options.beta) {}
  bool needs_reference() const override { return true; }

 private:
  LossOfMargin loss_of(double margin) const override {
    const double difference = margin - 1 / (2 * beta_);
    return {difference * difference, 2 * difference};
  }

  double beta_;
};

}  // namespace

std::unique_ptr<Objective> make_ipo(const ObjectiveOptions& options) { return std::make_unique<Ipo>(options); }

}  // namespace pelton
