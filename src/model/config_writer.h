// A model's numbers written as other programs read them: GGUF metadata, config.json. The way back of config.h.
#pragma once

#include <optional>

#include "base/json.h"
#include "io/gguf_metadata.h"
#include "model/arch.h"
#include "model/spec.h"
#include "tensor/tensor.h"

namespace pelton {

// "general.architecture", the numbers that decoder-only families share under "ARCHITECTURE.", and those of the family
// (Architecture::add_gguf_config). Error kUnsupported: a RoPE scaling that GGUF has no words for.
void add_gguf_config(const Architecture& architecture, const ModelSpec& spec, GgufMetadata& metadata);

// The tensor rope_freqs.weight F32 [R/2], where the scaling is one that GGUF holds as a table of divisors.
std::optional<Tensor> gguf_rope_divisors(const ModelSpec& spec);

// config.json without token ids and element type: the shared numbers and those of the family
// (Architecture::add_hugging_face_config). Error kUnsupported: a RoPE that transformers has no words for.
json::object hugging_face_config(const Architecture& architecture, const ModelSpec& spec);

// Whether two specs, read from files of different formats, are of the same model: all numbers are equal, RoPE's
// frequencies and magnitude within the rounding of float32. The pairing is no part of it: it goes with the order of
// rows.
bool is_same_model(const ModelSpec& a, const ModelSpec& b);

}  // namespace pelton
