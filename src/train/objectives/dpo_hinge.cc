// DPO with a hinge in place of the logistic loss (SLiC: Zhao et al. 2023, arXiv 2305.10425; as RSO normalises it: Liu
// et al. 2023, arXiv 2309.06657).
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class DpoHinge final : public MarginObjective {
 public:
  explicit DpoHinge(const ObjectiveOptions& options)
      : MarginObjective(Scores::kSums, options.beta), beta_(options.beta) {}
  bool needs_reference() const override { return true; }

 private:
  LossOfMargin loss_of(double margin) const override {
    const double missing = 1 - beta_ * margin;
    return missing > 0 ? LossOfMargin{missing, -beta_} : LossOfMargin{0, 0};
  }

  double beta_;
};

}  // namespace

std::unique_ptr<Objective> make_dpo_hinge(const ObjectiveOptions& options) {
  return std::make_unique<DpoHinge>(options);
}

}  // namespace pelton
