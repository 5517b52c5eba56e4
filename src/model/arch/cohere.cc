// Command R (Cohere 2024): both blocks read the same sum through one norm, LayerNorm without biases, rotated pairs that
// are neighbours, tied output with scaled logits.
#include "model/arch.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"cohere"};
constexpr std::string_view kGgufNames[] = {"command-r"};

// Llama's, of which it lacks the second norm; nobody reorders the rows of its heads.
constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.query.bias", "model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.key.bias", "model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.value.bias", "model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
};

ModelSpec completed(ModelSpec spec) {
  spec.architecture = "cohere";  // which GGUF calls otherwise
  spec.rope.pairing = RopePairing::kInterleaved;
  return spec;
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  reader.require_false("use_qk_norm");
  ModelSpec spec = reader.common_spec("cohere", {.has_tied_output = true});
  spec.norm_epsilon = reader.positive("layer_norm_eps").value_or(1e-5f);
  spec.logit_scale = reader.positive("logit_scale").value_or(0.0625f);
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  return completed(std::move(spec));
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "command-r");
  reader.refuse_other_families({"logit_scale"});
  ModelSpec spec = reader.common_spec();
  spec.norm_epsilon = reader.positive("attention.layer_norm_epsilon").value_or(1e-5f);
  spec.logit_scale = reader.positive("logit_scale").value_or(1);
  return completed(std::move(spec));
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec, {.norm = NormKind::kLayerWithoutBias, .residual = Residual::kParallelOneNorm});
}

}  // namespace

extern const Architecture kCohere = {
    .name = "cohere",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "CohereForCausalLM",
};

}  // namespace pelton
