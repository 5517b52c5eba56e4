// StarCoder 2 (Lozhkov et al. 2024, arXiv 2402.19173): Llama's attention, with LayerNorm, biases everywhere and a
// feed-forward block without a gate; a sliding window where the file says so.
#include "model/arch.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"starcoder2"};
constexpr std::string_view kGgufNames[] = {"starcoder2"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.norm.bias", "model.layers.{}.input_layernorm.bias", "blk.{}.attn_norm.bias"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.query.bias", "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.key.bias", "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.value.bias", "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.norm.bias", "model.layers.{}.post_attention_layernorm.bias", "blk.{}.ffn_norm.bias"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up.bias", "model.layers.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.down.bias", "model.layers.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"norm.bias", "model.norm.bias", "output_norm.bias"},
    {"output", "lm_head.weight", "output.weight"},
};

void set_biases(ModelSpec& spec, bool has_biases) {
  spec.has_query_key_value_bias = has_biases;
  spec.has_attention_output_bias = has_biases;
  spec.has_feed_forward_bias = has_biases;
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"gelu_pytorch_tanh"});
  ModelSpec spec = reader.common_spec("starcoder2", {.has_tied_output = true});
  spec.norm_epsilon = reader.positive("norm_epsilon").value_or(1e-5f);
  set_biases(spec, reader.flag("use_bias", true));
  reader.read_window(spec, [](int64_t) { return true; });
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "starcoder2");
  reader.refuse_other_families({"attention.sliding_window"});
  ModelSpec spec = reader.common_spec();
  spec.norm_epsilon = reader.positive("attention.layer_norm_epsilon").value_or(1e-5f);
  set_biases(spec, file.find("blk.0.attn_q.bias").has_value());
  reader.read_window(spec, [](int64_t) { return true; });
  return spec;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {.norm = NormKind::kLayer, .has_gate = false}); }

}  // namespace

extern const Architecture kStarCoder2 = {
    .name = "starcoder2",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Starcoder2ForCausalLM",
};

}  // namespace pelton
