// Gemma 1 (Mesnard et al. 2024, arXiv 2403.08295): Llama with a GELU gate, scaled embeddings, and heads of a width of
// their own. The folders' norms hold the weight less 1.

#include "model/arch.h"
#include "model/arch/gemma_family.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gemma"};
constexpr std::string_view kGgufNames[] = {"gemma"};

constexpr WeightForm kMinusOne = WeightForm::kMinusOneInHuggingFace;
constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", kMinusOne},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", kMinusOne},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight", kMinusOne},
    {"output", "lm_head.weight", "output.weight"},
    {"score", "score.weight", "cls.output.weight"},
};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  // The first folders say "gelu" and mean the other, as `hidden_activation` says where it is there.
  reader.require("hidden_act", {"gelu", "gelu_pytorch_tanh"});
  reader.require("hidden_activation", {"gelu_pytorch_tanh"});
  reader.require_false("attention_bias");
  reader.require_false("use_bidirectional_attention");
  return with_gemma_embedding_scale(reader.common_spec("gemma", {.has_tied_output = true}));
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gemma");
  reader.refuse_other_families({});
  return with_gemma_embedding_scale(reader.common_spec());
}

void add_hugging_face_config(const ModelSpec&, json::object& config) {
  config["hidden_act"] = "gelu_pytorch_tanh";
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["attention_bias"] = false;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {.gate = Nonlinearity::kGelu}); }

}  // namespace

extern const Architecture kGemma = {
    .name = "gemma",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "GemmaForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
