// How likely a language model finds a record: what it finds far too unlikely is noise, and what it knows by heart
// teaches nothing (Wenzek et al. 2020, arXiv 1911.00359; Marion et al. 2023, arXiv 2309.04564).
#include <fmt/format.h>

#include <limits>

#include "data/step.h"
#include "data/text_scorer.h"

namespace pelton::data {
namespace {

class PerplexityStep final : public RecordStep {
 public:
  PerplexityStep(const TextScorer::Options& scorer, double min, double max, std::string field)
      : scorer_(scorer), min_(min), max_(max), field_(std::move(field)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const auto score = scorer_.score("", whole_text(record, arena));
    if (!score) return Verdict::keep();  // nothing to say about
    const double perplexity = perplexity_of(*score);
    if (perplexity < min_) return Verdict::drop("low_perplexity", fmt::format("{:.4g}, at least {}", perplexity, min_));
    if (perplexity > max_) return Verdict::drop("high_perplexity", fmt::format("{:.4g}, at most {}", perplexity, max_));
    if (field_.empty()) return Verdict::keep();
    set_field(record, arena.copy(field_), perplexity, arena);
    return Verdict::change("scored", fmt::format("{:.4g}", perplexity));
  }

 private:
  TextScorer scorer_;
  double min_, max_;
  std::string field_;
};

}  // namespace

Step make_perplexity(StepOptions& options) {
  const TextScorer::Options scorer = scorer_options(options);
  const double min = options.number("min", 0, 0, 1e30), max = options.number("max", 1e30, 0, 1e30);
  if (min > max) options.fail("min", "at most max");
  return std::make_unique<const PerplexityStep>(scorer, min, max, options.string("field", ""));
}

}  // namespace pelton::data
