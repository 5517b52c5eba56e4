// GPT-NeoX and Pythia (Black et al. 2022, arXiv 2204.06745): both blocks read the same sum, LayerNorm, biases, RoPE on
// a part of each head. The folders hold queries, keys and values head by head in one tensor.
#include "base/error.h"
#include "model/arch.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gpt_neox"};
constexpr std::string_view kGgufNames[] = {"gptneox"};

constexpr WeightForm kHeadByHead = WeightForm::kHeadByHeadInHuggingFace;
constexpr WeightName kWeightNames[] = {
    {"embedding", "gpt_neox.embed_in.weight", "token_embd.weight"},
    {"layers.{}.attention.norm", "gpt_neox.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.norm.bias", "gpt_neox.layers.{}.input_layernorm.bias", "blk.{}.attn_norm.bias"},
    {"layers.{}.attention.query", "gpt_neox.layers.{}.attention.query_key_value.weight", "blk.{}.attn_qkv.weight",
     kHeadByHead},
    {"layers.{}.attention.key", "gpt_neox.layers.{}.attention.query_key_value.weight", "blk.{}.attn_qkv.weight",
     kHeadByHead},
    {"layers.{}.attention.value", "gpt_neox.layers.{}.attention.query_key_value.weight", "blk.{}.attn_qkv.weight",
     kHeadByHead},
    {"layers.{}.attention.query.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", "blk.{}.attn_qkv.bias",
     kHeadByHead},
    {"layers.{}.attention.key.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", "blk.{}.attn_qkv.bias",
     kHeadByHead},
    {"layers.{}.attention.value.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", "blk.{}.attn_qkv.bias",
     kHeadByHead},
    {"layers.{}.attention.output", "gpt_neox.layers.{}.attention.dense.weight", "blk.{}.attn_output.weight"},
    {"layers.{}.attention.output.bias", "gpt_neox.layers.{}.attention.dense.bias", "blk.{}.attn_output.bias"},
    {"layers.{}.mlp.norm", "gpt_neox.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.norm.bias", "gpt_neox.layers.{}.post_attention_layernorm.bias", "blk.{}.ffn_norm.bias"},
    {"layers.{}.mlp.up", "gpt_neox.layers.{}.mlp.dense_h_to_4h.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up.bias", "gpt_neox.layers.{}.mlp.dense_h_to_4h.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "gpt_neox.layers.{}.mlp.dense_4h_to_h.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.down.bias", "gpt_neox.layers.{}.mlp.dense_4h_to_h.bias", "blk.{}.ffn_down.bias"},
    {"norm", "gpt_neox.final_layer_norm.weight", "output_norm.weight"},
    {"norm.bias", "gpt_neox.final_layer_norm.bias", "output_norm.bias"},
    {"output", "lm_head.weight", "output.weight"},
};

ModelSpec completed(ModelSpec spec, bool has_attention_bias, bool is_parallel) {
  if (spec.key_value_head_count != spec.query_head_count) {
    throw Error(ErrorCode::kUnsupported, "query heads that share key/value heads are not supported for GPT-NeoX");
  }
  spec.architecture = "gpt_neox";  // which GGUF calls otherwise
  spec.has_query_key_value_bias = has_attention_bias;
  spec.has_attention_output_bias = has_attention_bias;
  spec.has_feed_forward_bias = true;
  spec.has_parallel_residual = is_parallel;
  return spec;
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"});
  ModelSpec spec = reader.common_spec("gpt_neox", {.rotates_partially = true, .rotated_share = 0.25});
  spec.norm_epsilon = reader.positive("layer_norm_eps").value_or(1e-5f);
  spec.has_exact_gelu = reader.string("hidden_act").value_or("gelu") == "gelu";
  return completed(std::move(spec), reader.flag("attention_bias", true), reader.flag("use_parallel_residual", true));
}

// Engines that read GGUF take GELU by tanh, whatever the model was trained with.
ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gptneox");
  reader.refuse_other_families({});
  ModelSpec spec = reader.common_spec();
  spec.norm_epsilon = reader.positive("attention.layer_norm_epsilon").value_or(1e-5f);
  return completed(std::move(spec), file.find("blk.0.attn_qkv.bias").has_value(),
                   file.boolean("gptneox.use_parallel_residual").value_or(true));
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  if (spec.has_exact_gelu) {
    throw Error(ErrorCode::kUnsupported,
                "GGUF cannot say that GELU is exact (hidden_act gelu): readers take the form by tanh, which is another "
                "model");
  }
  add_gguf_layer_norm("gptneox.", spec, metadata);
  metadata.add("gptneox.use_parallel_residual", spec.has_parallel_residual);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  rename_norm_epsilon("layer_norm_eps", config);
  config.erase("num_key_value_heads");
  config["hidden_act"] = spec.has_exact_gelu ? "gelu" : "gelu_new";
  config["attention_bias"] = spec.has_query_key_value_bias;
  config["use_parallel_residual"] = spec.has_parallel_residual;
  add_hugging_face_rotated_share(spec, config);
  // As transformers before 5 calls them.
  const json::value share = config.at("partial_rotary_factor"), theta = config.at("rope_theta");
  config["rotary_pct"] = share;
  config["rotary_emb_base"] = theta;
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec,
                             {.norm = NormKind::kLayer,
                              .residual = spec.has_parallel_residual ? Residual::kParallel : Residual::kSequential,
                              .has_gate = false,
                              .gate = spec.has_exact_gelu ? Nonlinearity::kGeluErf : Nonlinearity::kGelu});
}

}  // namespace

extern const Architecture kGptNeoX = {
    .name = "gpt_neox",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "GPTNeoXForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
