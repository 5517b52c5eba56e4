// What a classifier's scores mean to people: what each label is called, and what becomes of a score before it is shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/spec.h"

namespace pelton {

class GgufFile;
class GgufMetadata;

// From scores to what is shown.
enum class ScoreActivation : uint8_t {
  kIdentity,
  kSigmoid,  // of each score: probabilities of labels that do not exclude each other, a reranker's relevance
  kSoftmax,  // over all: probabilities of labels of which one holds
};

struct ClassifierSettings {
  ScoreActivation activation = ScoreActivation::kIdentity;
  std::vector<std::string> labels;  // by the order of scores; empty: the model is no classifier
};

// "LABEL_0", … for each of the model's labels, as transformers calls those that nobody has named.
std::vector<std::string> numbered_labels(const ModelSpec& spec);

// Activation: what `sentence_transformers.activation_fn` or `sbert_ce_default_activation_function` of config.json
// names, as sentence-transformers' CrossEncoder; else by `problem_type`, as transformers' pipeline: none of
// "regression", a sigmoid of "multi_label_classification" and of one label, a softmax of several. Labels: `id2label`,
// else numbered_labels().
// Errors: kUnsupported (another function, by its name), kCorruptFile.
ClassifierSettings read_classifier_settings(const json::object& config, const ModelSpec& spec);
// Labels: classifier.output_labels.
ClassifierSettings read_classifier_settings(const GgufFile& file, const ModelSpec& spec);

// The way back. `language_model` is the class of the family's language model: "LlamaForCausalLM" →
// "LlamaForSequenceClassification".
void write_classifier_settings(const ClassifierSettings& settings, std::string_view language_model,
                               json::object& config);
// Under the family's name in GGUF, which has no words for an activation.
void add_classifier_settings(const ClassifierSettings& settings, std::string_view gguf_name, GgufMetadata& metadata);

// Of one text's scores, in place.
void activate(ScoreActivation activation, std::vector<float>& scores);

}  // namespace pelton
