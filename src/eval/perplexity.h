// Perplexity from what a model thought of each token that came.
#pragma once

#include <cstdint>

namespace pelton {

struct Perplexity {
  int64_t token_count = 0;
  double mean_nll = 0;        // negative log-likelihood of a token, in nats
  double value = 0;           // exp(mean_nll)
  double standard_error = 0;  // of `value`, to first order: value · s / √n, tokens taken as independent
};

// The mean and variance of a stream of numbers in one pass (Welford 1962).
class PerplexityAccumulator {
 public:
  // -ln p of the token that came.
  void add(double nll);

  int64_t token_count() const { return token_count_; }
  // At least two tokens must have been added.
  Perplexity result() const;

 private:
  int64_t token_count_ = 0;
  double mean_ = 0;
  double squared_deviations_ = 0;
};

// What the tokens cost together, divided among the bytes that they stand for: comparable between vocabularies.
// NaN where they stand for none.
double bits_per_byte(const Perplexity& perplexity, int64_t byte_count);

}  // namespace pelton
