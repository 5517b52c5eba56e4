// Mixtral (Jiang et al. 2024, arXiv 2401.04088): Mistral with experts in place of the feed-forward blocks. In GGUF its
// models are called Llama's.
#include "model/arch.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"mixtral"};
constexpr std::string_view kGgufNames[] = {"llama"};

constexpr WeightForm kHeadRows = WeightForm::kHeadRows;
constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", kHeadRows},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", kHeadRows},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.router", "model.layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.mlp.experts.{}.gate", "model.layers.{}.block_sparse_moe.experts.{}.w1.weight",
     "blk.{}.ffn_gate_exps.weight"},
    {"layers.{}.mlp.experts.{}.up", "model.layers.{}.block_sparse_moe.experts.{}.w3.weight",
     "blk.{}.ffn_up_exps.weight"},
    {"layers.{}.mlp.experts.{}.down", "model.layers.{}.block_sparse_moe.experts.{}.w2.weight",
     "blk.{}.ffn_down_exps.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
    {"score", "score.weight", "cls.output.weight"},
};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("mixtral");
  reader.read_window(spec, [](int64_t) { return true; });
  reader.read_experts(spec, {.count = "num_local_experts", .width = "intermediate_size"});
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "llama");
  reader.refuse_other_families({"attention.sliding_window", "expert_count"});
  ModelSpec spec = reader.common_spec();
  spec.architecture = "mixtral";
  spec.rope.pairing = RopePairing::kInterleaved;
  reader.read_window(spec, [](int64_t) { return true; });
  reader.read_experts(spec);
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) { add_gguf_experts("llama", spec, metadata); }

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["num_local_experts"] = spec.routing.expert_count;
  config["num_experts_per_tok"] = spec.routing.active_count;
  config["sliding_window"] = nullptr;
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kMixtral = {
    .name = "mixtral",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .has_experts = true,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .interleaves_heads_in_gguf = true,
    .hugging_face_class = "MixtralForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
