// A model's numbers written as other programs read them: GGUF metadata, config.json. The way back of config.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/gguf_metadata.h"
#include "io/safetensors.h"
#include "model/arch.h"
#include "model/config.h"
#include "model/spec.h"
#include "tensor/tensor.h"

namespace pelton {

// "general.architecture", the numbers that decoder-only families share under "ARCHITECTURE.", and those of the family
// (Architecture::add_gguf_config). Error kUnsupported: a RoPE scaling that GGUF has no words for.
void add_gguf_config(const Architecture& architecture, const ModelSpec& spec, GgufMetadata& metadata);

// The experts' numbers under "NAME.", a name in GGUF: for Architecture::add_gguf_config.
void add_gguf_experts(std::string_view name, const ModelSpec& spec, GgufMetadata& metadata);

// What a file of the other kind calls a model of this architecture: itself, or one of its twins.
const Architecture& architecture_for_gguf(const Architecture& architecture);
const Architecture& architecture_for_hugging_face(const Architecture& architecture, const ModelSpec& spec);

// Tables F32 [R/2], where the scaling is one that GGUF holds as divisors: rope_freqs.weight, or of LongRoPE
// rope_factors_long.weight and rope_factors_short.weight.
std::vector<NamedTensor> gguf_rope_divisors(const ModelSpec& spec);

// What several families write alike; `prefix` is "ARCHITECTURE.".
// `attention.sliding_window`, and which layers have it, unless that is what readers take for granted.
void add_gguf_window(const std::string& prefix, const ModelSpec& spec, const LayerRule& is_local,
                     GgufMetadata& metadata);
// `attention.layer_norm_epsilon`, of families with LayerNorm; in config.json the epsilon that all write gets this key.
void add_gguf_layer_norm(const std::string& prefix, const ModelSpec& spec, GgufMetadata& metadata);
void rename_norm_epsilon(std::string_view key, json::object& config);
// `partial_rotary_factor`, in both spellings of RoPE.
void add_hugging_face_rotated_share(const ModelSpec& spec, json::object& config);
// `sliding_window`, `layer_types`. A model without a window says null.
void add_hugging_face_window(const ModelSpec& spec, json::object& config);
// The scale of the scores; of config.json's `query_pre_attn_scalar` its inverse square.
float attention_scale(const ModelSpec& spec);
json::value query_scalar(const ModelSpec& spec);
// A float32 number as people wrote it: 1e-6, not 9.999999974752427e-07; null for none.
json::value number_or_null(std::optional<float> value);

// config.json without token ids and element type: the shared numbers and those of the family
// (Architecture::add_hugging_face_config). Error kUnsupported: a RoPE that transformers has no words for.
json::object hugging_face_config(const Architecture& architecture, const ModelSpec& spec);

// Whether two specs, read from files of different formats, are of the same model: all numbers are equal, factors and
// RoPE's frequencies within the rounding of float32. No part of it are the pairing, which goes with the order of rows,
// and the architecture's name.
bool is_same_model(const ModelSpec& a, const ModelSpec& b);

}  // namespace pelton
