// gpt-oss (OpenAI 2025, arXiv 2508.10925): experts with biases and a clamped gate, attention sinks, a sliding window in
// every other layer, YaRN whose ramp is not rounded. The folders' experts are [in, out], gate and up by turns, or, as
// they are published, [out, in] in MXFP4 (model/prequantised/mxfp4.cc).
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"
#include "model/rope_scaling.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gpt_oss"};
constexpr std::string_view kGgufNames[] = {"gpt-oss"};

constexpr WeightForm kTurns = WeightForm::kTurnsInHuggingFace;
constexpr WeightForm kTransposedTurns = WeightForm::kTransposedTurnsInHuggingFace;
constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.sinks", "model.layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.post_attention_layernorm.weight", "blk.{}.post_attention_norm.weight"},
    {"layers.{}.mlp.router", "model.layers.{}.mlp.router.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.mlp.router.bias", "model.layers.{}.mlp.router.bias", "blk.{}.ffn_gate_inp.bias"},
    {"layers.{}.mlp.experts.{}.gate", "model.layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps.weight",
     kTransposedTurns},
    {"layers.{}.mlp.experts.{}.up", "model.layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps.weight",
     kTransposedTurns},
    {"layers.{}.mlp.experts.{}.down", "model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight",
     WeightForm::kTransposedInHuggingFace},
    {"layers.{}.mlp.experts.{}.gate.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_gate_exps.bias",
     kTurns},
    {"layers.{}.mlp.experts.{}.up.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_up_exps.bias",
     kTurns},
    {"layers.{}.mlp.experts.{}.down.bias", "model.layers.{}.mlp.experts.down_proj_bias", "blk.{}.ffn_down_exps.bias"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kAttentionNames, kOwnNames);

constexpr ClampedGate kGateBounds = {.steepness = 1.702f, .limit = 7};
bool is_local(int64_t layer) { return layer % 2 == 0; }

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("gpt-oss");
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", true);
  reader.read_window(spec, is_local);
  reader.read_experts(spec, {.count = "num_local_experts", .width = "intermediate_size"});
  spec.expert_gate_bounds = {.steepness = reader.positive("swiglu_alpha").value_or(kGateBounds.steepness),
                             .limit = reader.positive("swiglu_limit").value_or(kGateBounds.limit)};
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gpt-oss");
  reader.refuse_other_families({"attention.sliding_window", "expert_count"});
  ModelSpec spec = reader.common_spec();
  spec.has_query_key_value_bias = spec.has_attention_output_bias = true;
  reader.read_window(spec, is_local);
  reader.read_experts(spec);
  spec.expert_gate_bounds = kGateBounds;
  // The files do not say it: the models were trained without rounding.
  const float magnitude = spec.rope.magnitude;
  spec.rope_source.truncates = false;
  spec.rope = rope_parameters(spec.rope_source);
  spec.rope.magnitude = magnitude;
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_window("gpt-oss.", spec, is_local, metadata);
  add_gguf_experts("gpt-oss", spec, metadata);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
  config["intermediate_size"] = spec.expert_width;
  config["num_local_experts"] = spec.routing.expert_count;
  config["num_experts_per_tok"] = spec.routing.active_count;
  config["swiglu_limit"] = spec.expert_gate_bounds.limit;
  add_hugging_face_window(spec, config);
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec, {.has_sinks = true, .has_router_bias = true, .has_expert_biases = true});
}

}  // namespace

extern const Architecture kGptOss = {
    .name = "gpt-oss",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .has_experts = true,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .rounds_yarn_in_gguf = false,
    .hugging_face_class = "GptOssForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
