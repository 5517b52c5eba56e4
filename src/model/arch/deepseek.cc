// DeepSeek V2 and V3 (DeepSeek-AI 2024, arXiv 2405.04434 and 2412.19437): Llama with latent attention, whose rotated
// pairs are neighbours, and experts in groups. Keys and values are kept whole, not as the latent vector that makes
// them.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"deepseek_v3", "deepseek_v2"};

constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.query_down", "model.layers.{}.self_attn.q_a_proj.weight", "blk.{}.attn_q_a.weight"},
    {"layers.{}.attention.query_down.bias", "model.layers.{}.self_attn.q_a_proj.bias", "blk.{}.attn_q_a.bias"},
    {"layers.{}.attention.query_down_norm", "model.layers.{}.self_attn.q_a_layernorm.weight",
     "blk.{}.attn_q_a_norm.weight"},
    {"layers.{}.attention.query_up", "model.layers.{}.self_attn.q_b_proj.weight", "blk.{}.attn_q_b.weight"},
    {"layers.{}.attention.key_value_down", "model.layers.{}.self_attn.kv_a_proj_with_mqa.weight",
     "blk.{}.attn_kv_a_mqa.weight"},
    {"layers.{}.attention.key_value_down.bias", "model.layers.{}.self_attn.kv_a_proj_with_mqa.bias",
     "blk.{}.attn_kv_a_mqa.bias"},
    {"layers.{}.attention.key_value_norm", "model.layers.{}.self_attn.kv_a_layernorm.weight",
     "blk.{}.attn_kv_a_norm.weight"},
    {"layers.{}.attention.key_value", "model.layers.{}.self_attn.kv_b_proj.weight", "blk.{}.attn_kv_b.weight"},
    {"layers.{}.mlp.experts.correction", "model.layers.{}.mlp.gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.mlp.shared.gate", "model.layers.{}.mlp.shared_experts.gate_proj.weight",
     "blk.{}.ffn_gate_shexp.weight"},
    {"layers.{}.mlp.shared.up", "model.layers.{}.mlp.shared_experts.up_proj.weight", "blk.{}.ffn_up_shexp.weight"},
    {"layers.{}.mlp.shared.down", "model.layers.{}.mlp.shared_experts.down_proj.weight",
     "blk.{}.ffn_down_shexp.weight"},
};
constexpr auto kWeightNames =
    join_names(kOuterNames, kInputNormNames, kAttentionNames, kFeedForwardNames, kExpertNames, kOwnNames);

constexpr std::string_view kLimitedToGroups = "group_limited_greedy";

ModelSpec::Latent read_latent(const HuggingFaceConfig& reader, const ModelSpec& spec) {
  ModelSpec::Latent latent;
  latent.query_rank = reader.count("q_lora_rank", 1536);
  latent.key_value_rank = reader.size("kv_lora_rank", 512);
  latent.plain_width = reader.size("qk_nope_head_dim", 128);
  latent.rotated_width = reader.size("qk_rope_head_dim", 64);
  latent.value_width = reader.size("v_head_dim", 128);
  if (spec.key_value_head_count != spec.query_head_count) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: latent attention whose num_key_value_heads is not num_attention_heads is not supported");
  }
  return latent;
}

// Layers from `first_k_dense_replace` on have experts, and one block of `n_shared_experts` times their width for all.
void read_experts(const HuggingFaceConfig& reader, bool is_v3, ModelSpec& spec) {
  const int64_t dense_count = reader.count("first_k_dense_replace", is_v3 ? 3 : 0);
  if (reader.count("n_routed_experts", 0) == 0 || dense_count >= spec.layer_count) return;
  reader.require("scoring_func", {is_v3 ? "sigmoid" : "softmax"});
  is_v3 ? reader.require("topk_method", {"noaux_tc"}) : reader.require("topk_method", {"greedy", kLimitedToGroups});
  if (reader.size("moe_layer_freq", 1) != 1) {
    throw Error(ErrorCode::kUnsupported, "config.json: moe_layer_freq other than 1 is not supported");
  }
  HuggingFaceConfig::ExpertKeys keys = {.count = "n_routed_experts", .width = "moe_intermediate_size"};
  if (is_v3 || reader.string("topk_method") == kLimitedToGroups) {
    keys.group_count = "n_group";
    keys.active_group_count = "topk_group";
  }
  spec.routing.weights = is_v3 ? RoutingWeights::kSigmoidOfChosen : RoutingWeights::kSoftmaxOfAll;
  if (!is_v3) reader.require_false("norm_topk_prob");
  if (is_v3 && !reader.flag("norm_topk_prob", true)) spec.routing.weights = RoutingWeights::kSigmoid;
  spec.routing.scale = reader.positive("routed_scaling_factor").value_or(is_v3 ? 2.5f : 1.0f);
  reader.read_experts(spec, keys);
  spec.has_expert_correction = is_v3;
  spec.shared_expert_width = reader.count("n_shared_experts", 0) * spec.expert_width;
  if (dense_count > 0) spec.dense_layers = list_layers(spec, [&](int64_t layer) { return layer < dense_count; });
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
  read_experts(reader, reader.string("model_type") == "deepseek_v3", spec);
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
