// Llama 1 to 3 and everything shaped so (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv
// 2407.21783): RMSNorm before each block, rotary positions, grouped query heads, SwiGLU.
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {

extern const Architecture kMistral;

namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"llama"};
constexpr std::string_view kGgufNames[] = {"llama"};

// GGUF files of Mistral's models have this name too.
bool is_local_in_mistral(int64_t) { return true; }

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  reader.require_absent({"num_local_experts", "sliding_window", "attn_logit_softcapping", "final_logit_softcapping"});
  ModelSpec spec = reader.common_spec("llama");
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  spec.has_feed_forward_bias = reader.flag("mlp_bias", false);
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "llama");
  reader.refuse_other_families({"attention.sliding_window"});
  ModelSpec spec = reader.common_spec();
  spec.rope.pairing = RopePairing::kInterleaved;
  reader.read_biases(spec);
  reader.read_window(spec, is_local_in_mistral);
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_window("llama.", spec, is_local_in_mistral, metadata);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
  config["mlp_bias"] = spec.has_feed_forward_bias;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kLlama = {
    .name = "llama",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .interleaves_heads_in_gguf = true,
    .hugging_face_class = "LlamaForCausalLM",
    .hugging_face_windowed_twin = &kMistral,
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
