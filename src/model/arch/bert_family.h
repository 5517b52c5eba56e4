// What BERT and RoBERTa share: the numbers in config.json and the layer calls.
#pragma once

#include <string_view>

#include "model/config.h"
#include "model/graph.h"
#include "model/spec.h"

namespace pelton {

// Without labels. Errors: kCorruptFile, kUnsupported, as the reader says.
ModelSpec read_bert_spec(const HuggingFaceConfig& reader, std::string_view architecture);

// Learned positions, LayerNorm after each block, biases everywhere; with labels, a classifier over the first row.
Graph lower_bert(const ModelSpec& spec);

}  // namespace pelton
