// DeepSeek V2 and V3 (DeepSeek-AI 2024, arXiv 2405.04434 and 2412.19437) without experts: Llama with latent attention,
// whose rotated pairs are neighbours. Keys and values are kept whole, not as the latent vector that makes them.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/arch.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"deepseek_v3", "deepseek_v2"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query_down", "model.layers.{}.self_attn.q_a_proj.weight", "blk.{}.attn_q_a.weight"},
    {"layers.{}.attention.query_down.bias", "model.layers.{}.self_attn.q_a_proj.bias", "blk.{}.attn_q_a.bias"},
    {"layers.{}.attention.query_down_norm", "model.layers.{}.self_attn.q_a_layernorm.weight",
     "blk.{}.attn_q_a_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_b_proj.weight", "blk.{}.attn_q_b.weight"},
    {"layers.{}.attention.key_value_down", "model.layers.{}.self_attn.kv_a_proj_with_mqa.weight",
     "blk.{}.attn_kv_a_mqa.weight"},
    {"layers.{}.attention.key_value_down.bias", "model.layers.{}.self_attn.kv_a_proj_with_mqa.bias",
     "blk.{}.attn_kv_a_mqa.bias"},
    {"layers.{}.attention.key_value_norm", "model.layers.{}.self_attn.kv_a_layernorm.weight",
     "blk.{}.attn_kv_a_norm.weight"},
    {"layers.{}.attention.key_value", "model.layers.{}.self_attn.kv_b_proj.weight", "blk.{}.attn_kv_b.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
};

ModelSpec::Latent read_latent(const HuggingFaceConfig& reader, const ModelSpec& spec) {
  ModelSpec::Latent latent;
  latent.query_rank = reader.count("q_lora_rank", 1536);
  latent.key_value_rank = reader.size("kv_lora_rank", 512);
  latent.plain_width = reader.size("qk_nope_head_dim", 128);
  latent.rotated_width = reader.size("qk_rope_head_dim", 64);
  latent.value_width = reader.size("v_head_dim", 128);
  if (latent.query_rank == 0) {
    throw Error(ErrorCode::kUnsupported, "config.json: latent attention without q_lora_rank is not supported");
  }
  if (spec.key_value_head_count != spec.query_head_count) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: latent attention whose num_key_value_heads is not num_attention_heads is not supported");
  }
  return latent;
}

// Layers from `first_k_dense_replace` on have experts.
void refuse_experts(const HuggingFaceConfig& reader, const ModelSpec& spec) {
  if (reader.count("n_routed_experts", 256) == 0 || reader.count("first_k_dense_replace", 3) >= spec.layer_count)
    return;
  throw Error(ErrorCode::kUnsupported,
              "config.json: n_routed_experts: experts are not supported for this architecture; layers before "
              "first_k_dense_replace are");
}

// YaRN's stretch asks more of the scores too (DeepSeek's own code; transformers: yarn_apply_mscale).
float attention_scale(const ModelSpec& spec) {
  const double width = static_cast<double>(spec.latent->plain_width + spec.latent->rotated_width);
  double scale = 1 / std::sqrt(width);
  const double magnitude = spec.rope_source.magnitude_scale_all.value_or(0);
  const double factor = spec.rope_source.factor.value_or(1);
  if (spec.rope_source.type != "default" && magnitude != 0 && factor > 1) {
    const double stretch = 0.1 * magnitude * std::log(factor) + 1;
    scale *= stretch * stretch;
  }
  return static_cast<float>(scale);
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("deepseek", {.full_head_width = reader.size("qk_rope_head_dim", 64)});
  refuse_experts(reader, spec);
  spec.latent = read_latent(reader, spec);
  spec.head_width = std::max(spec.latent->plain_width + spec.latent->rotated_width, spec.latent->value_width);
  spec.attention_scale = attention_scale(spec);
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  if (reader.flag("rope_interleave", true)) spec.rope.pairing = RopePairing::kInterleaved;
  check_spec(spec, "config.json");
  return spec;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kDeepSeek = {
    .name = "deepseek",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = {},
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = nullptr,
    .lower = lower,
    .hugging_face_class = "DeepseekV3ForCausalLM",
};

}  // namespace pelton
