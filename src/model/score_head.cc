#include "model/score_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace pelton {

std::shared_ptr<const Model> with_score_head(const std::shared_ptr<const Model>& base) {
  if (base->spec.label_count == 1 && !base->spec.is_encoder) return base;
  if (base->spec.label_count > 1) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the model is a classifier of {} labels, and a score is one number", base->spec.label_count));
  }
  ModelSpec spec = base->spec;
  spec.label_count = 1;
  Graph graph = base->architecture->lower(spec);
  const bool has_head = std::any_of(graph.weights.begin(), graph.weights.end(),
                                    [](const WeightSpec& weight) { return weight.name == kScoreHead; });
  if (base->spec.is_encoder || !has_head) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("a head that scores on top of the architecture {} is not supported", spec.architecture));
  }
  Tensor head = Tensor::f32({1, spec.width});  // zeros
  return std::make_shared<const Model>(Model{.architecture = base->architecture,
                                             .naming = base->naming,
                                             .spec = std::move(spec),
                                             .graph = std::move(graph),
                                             .weights = base->weights.with({{std::string(kScoreHead), head}})});
}

}  // namespace pelton
