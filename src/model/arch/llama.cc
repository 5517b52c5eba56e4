// Llama 1 to 3 and everything shaped so (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv
// 2407.21783): RMSNorm before each block, rotary positions, grouped query heads, SwiGLU, no biases.
#include "model/arch.h"
#include "model/config.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"llama"};
constexpr std::string_view kGgufNames[] = {"llama"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", true},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", true},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", "silu");
  reader.require_false("attention_bias");
  reader.require_false("mlp_bias");
  reader.require_absent({"quantization_config", "num_local_experts", "sliding_window", "attn_logit_softcapping",
                         "final_logit_softcapping"});
  return reader.common_spec("llama");
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "llama");
  for (const std::string_view key : {"expert_count", "attention.sliding_window", "attention.clamp_kqv",
                                     "attention.max_alibi_bias", "rope.scaling.yarn_log_multiplier"}) {
    reader.require_neutral(key, {0});
  }
  for (const std::string_view key : {"logit_scale", "residual_scale", "embedding_scale"}) {
    reader.require_neutral(key, {0, 1});
  }
  reader.require_neutral("attention.causal", {1});
  reader.require_neutral("attention.scale", {0});
  reader.require_neutral("rope.scaling.yarn_ext_factor", {-1, 1});
  ModelSpec spec = reader.common_spec();
  spec.rope.pairing = RopePairing::kInterleaved;
  return spec;
}

void add_hugging_face_config(const ModelSpec&, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = false;
  config["mlp_bias"] = false;
}

Graph lower(const ModelSpec& spec) {
  GraphBuilder graph;
  const AttentionShape attention = attention_shape(spec);
  const int64_t angles = graph.add_rope_table(spec.rope);
  ValueId x = graph.embedding("embedding", spec.vocabulary_size, spec.width);
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    graph.set_prefix("layers." + std::to_string(layer) + ".");

    const ValueId n = graph.rms_norm(x, "attention.norm", spec.norm_epsilon);
    const ValueId q = graph.linear(n, "attention.query", spec.query_width());
    const ValueId k = graph.linear(n, "attention.key", spec.key_value_width());
    const ValueId v = graph.linear(n, "attention.value", spec.key_value_width());
    const ValueId q_rotated = graph.rope(q, "attention.query_rope", angles, {spec.query_head_count, spec.head_width});
    const ValueId k_rotated = graph.rope(k, "attention.key_rope", angles, {spec.key_value_head_count, spec.head_width});
    const ValueId a = graph.attention(q_rotated, k_rotated, v, "attention", attention);
    x = graph.add(x, graph.linear(a, "attention.output", spec.width), "attention.residual");

    const ValueId m = graph.rms_norm(x, "mlp.norm", spec.norm_epsilon);
    const ValueId gate = graph.linear(m, "mlp.gate", spec.feed_forward_width);
    const ValueId up = graph.linear(m, "mlp.up", spec.feed_forward_width);
    const ValueId h = graph.silu_gate(gate, up, "mlp.activation");
    x = graph.add(x, graph.linear(h, "mlp.down", spec.width), "mlp.residual");
  }
  graph.set_prefix("");
  const ValueId last = graph.rms_norm(graph.select_rows(x, "select"), "norm", spec.norm_epsilon);
  return graph.finish(spec.has_tied_output ? graph.linear_with(last, "output", "embedding", spec.vocabulary_size)
                                           : graph.linear(last, "output", spec.vocabulary_size));
}

}  // namespace

extern const Architecture kLlama = {
    .name = "llama",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "LlamaForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
