// Robust DPO (Chowdhury et al. 2024, arXiv 2403.00409): unbiased where a known share of the preferences is the wrong
// way round.
#include "base/error.h"
#include "train/objectives/preference.h"

namespace pelton {
namespace {

class DpoRobust final : public MarginObjective {
 public:
  explicit DpoRobust(const ObjectiveOptions& options)
      : MarginObjective(Scores::kSums, options.beta), options_(options) {
    if (options.label_smoothing >= 0.5) {
      throw Error(ErrorCode::kInvalidArgument, "label_smoothing: dpo_robust needs a share below 0.5",
                  "label_smoothing");
    }
  }
  bool needs_reference() const override { return true; }

 private:
  LossOfMargin loss_of(double margin) const override {
    const double beta = options_.beta, wrong = options_.label_smoothing, x = beta * margin, unbiased = 1 - 2 * wrong;
    return {(-(1 - wrong) * log_sigmoid(x) + wrong * log_sigmoid(-x)) / unbiased,
            beta * (-(1 - wrong) * sigmoid(-x) - wrong * sigmoid(x)) / unbiased};
  }

  ObjectiveOptions options_;
};

}  // namespace

std::unique_ptr<Objective> make_dpo_robust(const ObjectiveOptions& options) {
  return std::make_unique<DpoRobust>(options);
}

}  // namespace pelton
