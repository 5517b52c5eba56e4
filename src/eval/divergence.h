// How far a model's distributions of the next token are from a reference's on the same text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/next_token_distribution.h"
#include "ops/logits_row.h"

namespace pelton {

// Kullback–Leibler divergences D(reference ‖ model) of single positions, in nats.
struct Divergence {
  int64_t token_count = 0;
  double mean = 0;
  double median = 0;
  double p99 = 0;
  double max = 0;
  double top1_agreement = 0;  // share of positions where both find the same token most likely
};

// The value below which the share `q` of the sorted values lies, interpolated between neighbours as numpy's quantile
// does. Reorders `values`, which must not be empty.
double quantile(std::span<double> values, double q);

class DivergenceAccumulator {
 public:
  // Both over the same vocabulary.
  void add(const NextTokenDistribution& reference, const NextTokenDistribution& model);

  // At least one position must have been added.
  Divergence result() const;

 private:
  std::vector<double> divergences_;  // by position
  int64_t agreement_count_ = 0;
  Weights weights_;  // scratch
};

}  // namespace pelton
