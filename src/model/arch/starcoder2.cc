// StarCoder 2 (Lozhkov et al. 2024, arXiv 2402.19173): Llama's attention, with LayerNorm, biases everywhere and a
// feed-forward block without a gate; a sliding window where the file says so.
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"starcoder2"};
constexpr std::string_view kGgufNames[] = {"starcoder2"};

constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.norm.bias", "model.layers.{}.input_layernorm.bias", "blk.{}.attn_norm.bias"},
    {"layers.{}.mlp.norm.bias", "model.layers.{}.post_attention_layernorm.bias", "blk.{}.ffn_norm.bias"},
    {"layers.{}.mlp.up", "model.layers.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight"},
    {"layers.{}.mlp.up.bias", "model.layers.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"},
    {"layers.{}.mlp.down", "model.layers.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight"},
    {"layers.{}.mlp.down.bias", "model.layers.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"},
    {"norm.bias", "model.norm.bias", "output_norm.bias"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kInputNormNames, kAttentionNames, kOwnNames);

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

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_layer_norm("starcoder2.", spec, metadata);
  add_gguf_window(
      "starcoder2.", spec, [](int64_t) { return true; }, metadata);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  rename_norm_epsilon("norm_epsilon", config);
  config["hidden_act"] = "gelu_pytorch_tanh";
  config["use_bias"] = spec.has_feed_forward_bias;
  add_hugging_face_window(spec, config);
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec, {.norm = NormKind::kLayer, .has_gate = false, .gate = Nonlinearity::kGelu});
}

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
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
