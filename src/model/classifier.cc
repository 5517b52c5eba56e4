#include "model/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "io/gguf.h"
#include "io/gguf_metadata.h"

namespace pelton {
namespace {

// transformers' `problem_type`.
constexpr std::string_view kProblemKey = "problem_type";
constexpr std::string_view kRegression = "regression";
constexpr std::string_view kManyOfThem = "multi_label_classification";

constexpr uint32_t kGgufPoolingRank = 4;  // llama.cpp's LLAMA_POOLING_TYPE_RANK

ScoreActivation default_activation(int64_t label_count) {
  return label_count == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kSoftmax;
}
ScoreActivation default_activation(const ModelSpec& spec) { return default_activation(spec.label_count); }

// "Llama" of "LlamaForCausalLM", "GPT2" of "GPT2LMHeadModel".
std::string_view family_of(std::string_view language_model) {
  for (const std::string_view end : {"ForCausalLM", "LMHeadModel"}) {
    if (language_model.ends_with(end)) return language_model.substr(0, language_model.size() - end.size());
  }
  return language_model;
}

ScoreActivation read_activation(const JsonReader& reader, const ModelSpec& spec) {
  auto name = reader.string("sbert_ce_default_activation_function");
  if (const json::object* newer = reader.object("sentence_transformers")) {
    name = JsonReader(*newer, "config.json: sentence_transformers").string("activation_fn");
  }
  if (!name) {
    const std::optional<std::string> problem = reader.string(kProblemKey);
    if (problem == kRegression) return ScoreActivation::kIdentity;
    return problem == kManyOfThem ? ScoreActivation::kSigmoid : default_activation(spec);
  }
  if (*name == "torch.nn.modules.activation.Sigmoid") return ScoreActivation::kSigmoid;
  if (*name == "torch.nn.modules.linear.Identity") return ScoreActivation::kIdentity;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("config.json: scores through {} are not supported, only through a sigmoid or nothing", *name));
}

}  // namespace

std::vector<std::string> numbered_labels(const ModelSpec& spec) {
  std::vector<std::string> labels;
  for (int64_t label = 0; label < spec.label_count; ++label) labels.push_back(fmt::format("LABEL_{}", label));
  return labels;
}

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

void write_classifier_settings(const ClassifierSettings& settings, std::string_view language_model,
                               json::object& config) {
  config["architectures"] =
      json::array{json::string(fmt::format("{}ForSequenceClassification", family_of(language_model)))};
  json::object names, numbers;
  for (size_t label = 0; label < settings.labels.size(); ++label) {
    names[std::to_string(label)] = settings.labels[label];
    numbers[settings.labels[label]] = label;
  }
  config["id2label"] = std::move(names);
  config["label2id"] = std::move(numbers);
  const auto label_count = static_cast<int64_t>(settings.labels.size());
  if (settings.activation == default_activation(label_count)) return;
  if (settings.activation == ScoreActivation::kIdentity) config[kProblemKey] = kRegression;
  if (settings.activation == ScoreActivation::kSigmoid) config[kProblemKey] = kManyOfThem;
}

void add_classifier_settings(const ClassifierSettings& settings, std::string_view gguf_name, GgufMetadata& metadata) {
  metadata.add(fmt::format("{}.pooling_type", gguf_name), kGgufPoolingRank);
  metadata.add(fmt::format("{}.classifier.output_labels", gguf_name), settings.labels);
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
