// What a classifier's scores mean to people: what each label is called, and what becomes of a score before it is shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/spec.h"

namespace pelton {

class GgufFile;

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

// Activation: what `sentence_transformers.activation_fn` or `sbert_ce_default_activation_function` of config.json
// names, as sentence-transformers' CrossEncoder; else a sigmoid of one label and where `problem_type` is
// "multi_label_classification", a softmax of several, as transformers' pipeline. Labels: `id2label`, else "LABEL_0", ….
// Errors: kUnsupported (another function, by its name), kCorruptFile.
ClassifierSettings read_classifier_settings(const json::object& config, const ModelSpec& spec);
// Labels: classifier.output_labels.
ClassifierSettings read_classifier_settings(const GgufFile& file, const ModelSpec& spec);

// Of one text's scores, in place.
void activate(ScoreActivation activation, std::vector<float>& scores);

}  // namespace pelton
