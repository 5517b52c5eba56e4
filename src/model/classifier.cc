#include "model/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "io/gguf.h"

namespace pelton {
namespace {

ScoreActivation default_activation(const ModelSpec& spec) {
  return spec.label_count == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kSoftmax;
}

std::vector<std::string> numbered_labels(const ModelSpec& spec) {
  std::vector<std::string> labels;
  for (int64_t label = 0; label < spec.label_count; ++label) labels.push_back(fmt::format("LABEL_{}", label));
  return labels;
}

ScoreActivation read_activation(const JsonReader& reader, const ModelSpec& spec) {
  auto name = reader.string("sbert_ce_default_activation_function");
  if (const json::object* newer = reader.object("sentence_transformers")) {
    name = JsonReader(*newer, "config.json: sentence_transformers").string("activation_fn");
  }
  if (!name) {
    const bool has_many = reader.string("problem_type") == "multi_label_classification";
    return has_many ? ScoreActivation::kSigmoid : default_activation(spec);
  }
  if (*name == "torch.nn.modules.activation.Sigmoid") return ScoreActivation::kSigmoid;
  if (*name == "torch.nn.modules.linear.Identity") return ScoreActivation::kIdentity;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("config.json: scores through {} are not supported, only through a sigmoid or nothing", *name));
}

}  // namespace

ClassifierSettings read_classifier_settings(const json::object& config, const ModelSpec& spec) {
  if (spec.label_count == 0) return {};
  const JsonReader reader(config, "config.json");
  ClassifierSettings settings{read_activation(reader, spec), numbered_labels(spec)};
  const json::object* names = reader.object("id2label");
  if (names == nullptr || names->empty()) return settings;
  const JsonReader by_number(*names, "config.json: id2label");
  for (int64_t label = 0; label < spec.label_count; ++label) {
    const std::optional<std::string> name = by_number.string(std::to_string(label));
    if (!name) by_number.fail(std::to_string(label), "a name for each label, by number");
    settings.labels[static_cast<size_t>(label)] = *name;
  }
  return settings;
}

ClassifierSettings read_classifier_settings(const GgufFile& file, const ModelSpec& spec) {
  if (spec.label_count == 0) return {};
  ClassifierSettings settings{default_activation(spec), numbered_labels(spec)};
  const std::vector<std::string>* labels = file.strings(spec.architecture + ".classifier.output_labels");
  if (labels != nullptr && labels->size() == settings.labels.size()) settings.labels = *labels;
  return settings;
}

void activate(ScoreActivation activation, std::vector<float>& scores) {
  switch (activation) {
    case ScoreActivation::kIdentity:
      return;
    case ScoreActivation::kSigmoid:
      for (float& score : scores) score = 1 / (1 + std::exp(-score));
      return;
    case ScoreActivation::kSoftmax: {
      const float largest = *std::max_element(scores.begin(), scores.end());
      float sum = 0;
      for (float& score : scores) sum += score = std::exp(score - largest);
      for (float& score : scores) score /= sum;
      return;
    }
  }
}

}  // namespace pelton
