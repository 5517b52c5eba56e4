// Phi-3 and Phi-4 (Abdin et al. 2024, arXiv 2404.14219): Llama with fused tensors, a sliding window where the file says
// so, and, for long contexts, LongRoPE. Of Phi-4-mini's heads a part is rotated.
#include "model/arch.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"phi3"};
constexpr std::string_view kGgufNames[] = {"phi3"};

constexpr WeightName kWeightNames[] = {
    {"embedding", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.query", "model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.key", "model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.value", "model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.attention.output", "model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.gate", "model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.gate_up_proj.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"output", "lm_head.weight", "output.weight"},
    {"score", "score.weight", "cls.output.weight"},
};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  reader.require_false("attention_bias");
  ModelSpec spec = reader.common_spec("phi3", {.rotates_partially = true});
  reader.read_window(spec, [](int64_t) { return true; });
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "phi3");
  reader.refuse_other_families({"attention.sliding_window"});
  ModelSpec spec = reader.common_spec();
  reader.read_window(spec, [](int64_t) { return true; });
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_window(
      "phi3.", spec, [](int64_t) { return true; }, metadata);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = false;
  config["sliding_window"] = number_or_null(std::nullopt);
  if (spec.window) config["sliding_window"] = *spec.window;
  config["original_max_position_embeddings"] = spec.rope_source.original_context_length;
  add_hugging_face_rotated_share(spec, config);
  json::value* scaling = config.if_contains("rope_scaling");
  if (scaling != nullptr && scaling->at("rope_type") == "longrope") {
    // Readers of the old spelling want these three and no more.
    const json::object rope = scaling->as_object();
    *scaling = {{"type", rope.at("rope_type")},
                {"short_factor", rope.at("short_factor")},
                {"long_factor", rope.at("long_factor")}};
  }
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kPhi3 = {
    .name = "phi3",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Phi3ForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
