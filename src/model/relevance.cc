#include "model/relevance.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "base/error.h"

namespace pelton {

ScoreActivation default_score_activation(const ModelSpec& spec) {
  return spec.label_count == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kIdentity;
}

ScoreActivation read_score_activation(const json::object& config, const ModelSpec& spec) {
  const JsonReader reader(config, "config.json");
  auto name = reader.string("sbert_ce_default_activation_function");
  if (const json::object* newer = reader.object("sentence_transformers")) {
    name = JsonReader(*newer, "config.json: sentence_transformers").string("activation_fn");
  }
  if (!name) return default_score_activation(spec);
  if (*name == "torch.nn.modules.activation.Sigmoid") return ScoreActivation::kSigmoid;
  if (*name == "torch.nn.modules.linear.Identity") return ScoreActivation::kIdentity;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("config.json: scores through {} are not supported, only through a sigmoid or nothing", *name));
}

float activate(ScoreActivation activation, float score) {
  return activation == ScoreActivation::kSigmoid ? 1 / (1 + std::exp(-score)) : score;
}

}  // namespace pelton
