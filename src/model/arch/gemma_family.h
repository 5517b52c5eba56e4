// What several generations of Gemma read and write alike.
#pragma once

#include <cmath>
#include <string_view>
#include <utility>

#include "model/config.h"
#include "model/config_writer.h"
#include "model/spec.h"

namespace pelton {

// No file says it.
inline ModelSpec with_gemma_embedding_scale(ModelSpec spec) {
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.width));
  return spec;
}

// config.json of Gemma 2 and 3, without the window.
inline ModelSpec capped_gemma_spec(const HuggingFaceConfig& reader, std::string_view architecture) {
  reader.require("hidden_activation", {"gelu_pytorch_tanh"});
  reader.require_false("attention_bias");
  reader.require_false("use_bidirectional_attention");
  ModelSpec spec = reader.common_spec(architecture, {.has_tied_output = true});
  spec.attention_scale = 1 / std::sqrt(reader.positive("query_pre_attn_scalar").value_or(256));
  spec.attention_cap = reader.positive("attn_logit_softcapping");
  spec.logit_cap = reader.positive("final_logit_softcapping");
  return with_gemma_embedding_scale(std::move(spec));
}

// The same, written, with the window.
inline void add_capped_gemma_config(const ModelSpec& spec, json::object& config) {
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["attention_bias"] = false;
  config["query_pre_attn_scalar"] = query_scalar(spec);
  config["attn_logit_softcapping"] = number_or_null(spec.attention_cap);
  config["final_logit_softcapping"] = number_or_null(spec.logit_cap);
  add_hugging_face_window(spec, config);
}

// GGUF files do not say it: the largest model of a generation, and it alone, has another scale of the scores than its
// heads' width gives.
inline void set_gemma_attention_scale(int64_t layer_count_of_largest, ModelSpec& spec) {
  if (spec.layer_count != layer_count_of_largest) return;
  spec.attention_scale = 1 / std::sqrt(static_cast<float>(spec.width / spec.query_head_count));
}

}  // namespace pelton
