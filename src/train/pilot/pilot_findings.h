// What a pilot's measurements say, and how sure that is. A pure function of them and of a seed.
//
// Uncertainty is by bootstrap (Efron 1979): records of the eval are drawn anew, and so are seeds, with repetition; the
// same draw holds for the base, all sizes and all sets, so that differences are paired. Intervals are those of the
// middle 95 % of what the draws give. They know nothing of what no draw can show: another eval, another recipe, or that
// the curve has another shape beyond the largest size.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "train/pilot/pilot_scores.h"
#include "train/pilot/power_law.h"

namespace pelton {

struct Estimate {
  double value = 0;  // of what was measured
  double low = 0;    // of the interval
  double high = 0;
};

struct Difference {
  Estimate by;
  double share_below = 0;  // of the draws: those in which it is below zero

  // The interval lies on one side of zero.
  bool is_below() const { return by.high < 0; }
  bool is_above() const { return by.low > 0; }
};

// Of losses (less is better) in nats a token, and of shares of short answers that are said exactly (more is better;
// absent: there are no short answers).
struct PilotDifference {
  Difference loss;
  std::optional<Difference> exact;
};

struct PilotSizeFindings {
  int64_t size = 0;
  Estimate loss;                    // mean over seeds
  std::vector<double> seed_losses;  // of each seed
  std::optional<Estimate> exact;
};

struct PilotPrediction {
  int64_t size = 0;
  Estimate loss = {};
  Estimate gain = {};  // the curve's loss at the largest size measured, less this
};

// The model without finetuning, behind examples of a set.
struct PilotFewShotFindings {
  PilotSizeFindings level;    // its size: the examples before a question, where there is room
  PilotDifference from_base;  // what the examples bring
};

struct PilotCurve {
  PowerLawFit fit;
  std::vector<PilotPrediction> predictions;  // at twice and ten times the largest size, and for all records there are
  std::vector<PilotPrediction> band;         // from the smallest size to twice the largest, to be drawn
};

struct PilotSetFindings {
  std::vector<PilotSizeFindings> sizes;
  std::optional<PilotCurve> curve;               // absent: too few sizes
  PilotDifference from_base;                     // of the largest size
  std::optional<PilotFewShotFindings> few_shot;  // absent: nobody was asked so
  // Of the largest size, from the better of the two baselines: of each draw its lower loss and its more exact answers,
  // so that chance, which the better one had on its side, is not taken for it. One baseline: from_base.
  PilotDifference from_best_baseline;
  std::vector<PilotDifference> from_first_set;  // by size; empty: it is the first
};

struct PilotFindings {
  int64_t record_count = 0;  // of the eval
  int64_t token_count = 0;
  int64_t short_count = 0;  // records with short answers
  Estimate base_loss;
  std::optional<Estimate> base_exact;
  std::vector<PilotSetFindings> sets;
};

struct BootstrapOptions {
  int64_t draw_count = 1000;  // leaves 25 beyond each end of an interval
  uint64_t seed = 0;
};

// There are an eval record, a size, a seed and a set at least, and all runs.
PilotFindings find_pilot_results(const PilotScores& scores, const BootstrapOptions& options);

}  // namespace pelton
