// GLM-4-0414 (GLM Team 2024, arXiv 2406.12793): Llama with norms after each block too, biases of queries, keys and
// values, gate and up in one tensor, and RoPE on a half of each head, whose pairs are neighbours.
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"glm4"};
constexpr std::string_view kGgufNames[] = {"glm4"};

constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.output_norm", "model.layers.{}.post_self_attn_layernorm.weight",
     "blk.{}.post_attention_norm.weight"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.output_norm", "model.layers.{}.post_mlp_layernorm.weight", "blk.{}.post_ffw_norm.weight"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kInputNormNames, kAttentionNames, kOwnNames);

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("glm4", {.rotates_partially = true, .rotated_share = 0.5});
  spec.has_query_key_value_bias = reader.flag("attention_bias", true);
  spec.rope.pairing = RopePairing::kInterleaved;
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "glm4");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  spec.has_query_key_value_bias = file.find("blk.0.attn_q.bias").has_value();
  spec.rope.pairing = RopePairing::kInterleaved;
  return spec;
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
  add_hugging_face_rotated_share(spec, config);
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {.norms_outputs = true}); }

}  // namespace

extern const Architecture kGlm4 = {
    .name = "glm4",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Glm4ForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
