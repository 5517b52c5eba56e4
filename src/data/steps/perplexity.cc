// How likely a language model finds a record: what it finds far too unlikely is noise, and what it knows by heart
// teaches nothing (Wenzek et al. 2020, arXiv 1911.00359; Marion et al. 2023, arXiv 2309.04564).
#include <utility>

#include "data/score_rule.h"
#include "data/step.h"
#include "data/text_scorer.h"

namespace pelton::data {
namespace {

class PerplexityStep final : public RecordStep {
 public:
  PerplexityStep(const TextScorer::Options& scorer, ScoreRule rule) : scorer_(scorer), rule_(std::move(rule)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const auto score = scorer_.score("", whole_text(record, arena));
    if (!score) return Verdict::keep();  // nothing to say about
    return rule_.judge(record, perplexity_of(*score), arena);
  }

 private:
  TextScorer scorer_;
  ScoreRule rule_;
};

}  // namespace

Step make_perplexity(StepOptions& options) {
  const TextScorer::Options scorer = scorer_options(options);
  ScoreRule rule = score_rule(
      options, {.min = 0, .max = 1e30, .field = "", .low_reason = "low_perplexity", .high_reason = "high_perplexity"});
  return std::make_unique<const PerplexityStep>(scorer, std::move(rule));
}

}  // namespace pelton::data
