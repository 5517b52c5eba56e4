// Scores of a classifier that `pelton data train-filter` made: records below a threshold go, and the score may be
// noted.
#include <fmt/format.h>

#include "data/step.h"
#include "data/text_classifier.h"

namespace pelton::data {
namespace {

class ClassifierStep final : public RecordStep {
 public:
  ClassifierStep(TextClassifier classifier, double score_min, std::string field)
      : classifier_(std::move(classifier)), score_min_(score_min), field_(std::move(field)) {}

  Verdict apply(Record& record, Arena& arena) const override {
    const double score = classifier_.score(whole_text(record, arena));
    if (score < score_min_) return Verdict::drop("low_score", fmt::format("{:.4f}, at least {}", score, score_min_));
    if (field_.empty()) return Verdict::keep();
    set_field(record, arena.copy(field_), score, arena);
    return Verdict::change("scored", fmt::format("{:.4f}", score));
  }

 private:
  TextClassifier classifier_;
  double score_min_;
  std::string field_;
};

}  // namespace

Step make_classifier(StepOptions& options) {
  const std::string model = options.string("model", "");
  if (model.empty()) options.fail("model", "a file that `pelton data train-filter` wrote");
  const double score_min = options.number("score_min", 0.5, 0, 1);
  return std::make_unique<const ClassifierStep>(TextClassifier::load(model), score_min, options.string("field", ""));
}

}  // namespace pelton::data
