// How likely a language model finds a text: for steps that filter by it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data/step_options.h"
#include "ops/linear.h"

namespace pelton::data {

class TextScorer {
 public:
  struct Options {
    std::string model;               // as load_bundle() takes it
    int64_t token_count_max = 1024;  // of longer texts the first ones count
    ActivationType activations = ActivationType::kInt8;
  };
  // Errors: those of load_bundle(); kUnsupported: a model that does not say how texts go on.
  explicit TextScorer(const Options& options);
  ~TextScorer();

  struct Score {
    int64_t token_count;  // that were scored
    double mean_nll;      // -ln p of one, in nats
  };
  // Of the tokens of `text`, behind those of `before`, of which at most the last half of token_count_max count. None:
  // no token has another before it. Any thread; they wait for each other, since each score uses all cores. The same
  // bits on any number of threads.
  std::optional<Score> score(std::string_view before, std::string_view text) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// A step's `model`, `tokens_max` and `activations`.
TextScorer::Options scorer_options(StepOptions& options);

// exp(mean_nll)
double perplexity_of(const TextScorer::Score& score);

}  // namespace pelton::data
