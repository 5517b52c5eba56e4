// What a reranker's score means to people, and where models say so.
#pragma once

#include <cstdint>

#include "base/json.h"
#include "model/spec.h"

namespace pelton {

// What a classifier's score goes through before it is shown.
enum class ScoreActivation : uint8_t { kIdentity, kSigmoid };

// As sentence-transformers' CrossEncoder and vLLM: what `sentence_transformers.activation_fn` or
// `sbert_ce_default_activation_function` of config.json names, else of one label a sigmoid, of several none.
// Error kUnsupported: another function, by its name.
ScoreActivation read_score_activation(const json::object& config, const ModelSpec& spec);
ScoreActivation default_score_activation(const ModelSpec& spec);

float activate(ScoreActivation activation, float score);

}  // namespace pelton
