// Gemma 4, text: Gemma 3 whose upper layers read the keys and values of the last lower layer of their kind, with wider
// heads in the layers without a window, of which a quarter is rotated, and inputs of each layer's own. The folders'
// norms hold the weight itself.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/error.h"
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/gated_decoder.h"
#include "model/rope_scaling.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gemma4_text"};
constexpr std::string_view kGgufNames[] = {"gemma4"};

constexpr WeightName kOwnNames[] = {
    {"layer_input.embedding", "model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
    {"layer_input.projection", "model.per_layer_model_projection.weight", "per_layer_model_proj.weight"},
    {"layer_input.norm", "model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight"},
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
    {"layers.{}.attention.output_norm", "model.layers.{}.post_attention_layernorm.weight",
     "blk.{}.post_attention_norm.weight"},
    {"layers.{}.mlp.norm", "model.layers.{}.pre_feedforward_layernorm.weight", "blk.{}.ffn_norm.weight"},
    {"layers.{}.mlp.output_norm", "model.layers.{}.post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight"},
    {"layers.{}.input.gate", "model.layers.{}.per_layer_input_gate.weight", "blk.{}.inp_gate.weight"},
    {"layers.{}.input.projection", "model.layers.{}.per_layer_projection.weight", "blk.{}.proj.weight"},
    {"layers.{}.input.norm", "model.layers.{}.post_per_layer_input_norm.weight", "blk.{}.post_norm.weight"},
    {"layers.{}.scale", "model.layers.{}.layer_scalar", "blk.{}.layer_output_scale.weight"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kAttentionNames, kFeedForwardNames, kOwnNames);

// Layers without a window have heads of another width.
void set_full_heads(ModelSpec& spec, int64_t head_width) {
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    spec.head_widths.push_back(spec.is_local(layer) ? spec.head_width : head_width);
  }
}

// config.json says it of all those layers, or of each.
int64_t read_full_head_width(const HuggingFaceConfig& reader) {
  const std::map<int64_t, int64_t> overrides = reader.layer_overrides("head_dim");
  return overrides.empty() ? reader.size("global_head_dim", 512) : overrides.begin()->second;
}

void check_overrides(const HuggingFaceConfig& reader, const ModelSpec& spec) {
  for (const auto& [layer, width] : reader.layer_overrides("head_dim")) {
    if (layer < spec.layer_count && width == spec.head_width_of(layer)) continue;
    throw Error(
        ErrorCode::kUnsupported,
        "config.json: per_layer_config: heads whose width is another than that of their kind are not supported");
  }
  for (const char* key : {"num_key_value_heads", "num_attention_heads", "intermediate_size"}) {
    if (reader.layer_overrides(key).empty()) continue;
    throw Error(ErrorCode::kUnsupported, std::string("config.json: per_layer_config: ") + key + " is not supported");
  }
}

// The last `shared_count` layers have no keys and values; each reads those of the last layer of its kind that has.
void share_upper_layers(ModelSpec& spec, int64_t shared_count) {
  if (shared_count == 0) return;
  const int64_t own_count = std::max<int64_t>(spec.layer_count - shared_count, 0);
  for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
    int64_t source = layer;
    if (layer >= own_count) {
      source = own_count - 1;
      while (source >= 0 && spec.is_local(source) != spec.is_local(layer)) --source;
    }
    spec.key_value_sources.push_back(source);
  }
}

// Where config.json does not say.
void set_usual_ropes(ModelSpec& spec, int64_t full_head_width) {
  RopeScaling full;
  full.type = "proportional";
  full.theta = 1e6;
  full.rotated_width = full_head_width;
  full.rotated_share = 0.25;
  RopeScaling local;
  local.rotated_width = spec.head_width;
  spec.rope = rope_parameters(full);
  spec.local_rope_source = local;
  spec.local_rope = rope_parameters(local);
  spec.rope_source = full;
  spec.rope_scaling = full.type;
}

ModelSpec completed(ModelSpec spec, std::string_view source) {
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.width));
  spec.attention_scale = 1;
  check_spec(spec, source);
  return spec;
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_activation", {"gelu_pytorch_tanh"});
  for (const char* flag : {"attention_bias", "use_bidirectional_attention", "attention_k_eq_v", "enable_moe_block"}) {
    reader.require_false(flag);
  }
  const int64_t full_head_width = read_full_head_width(reader);
  ModelSpec spec = reader.common_spec("gemma4", {.has_tied_output = true, .full_head_width = full_head_width});
  if (!spec.local_rope) set_usual_ropes(spec, full_head_width);
  spec.logit_cap = reader.positive("final_logit_softcapping");
  reader.read_window(spec, [](int64_t layer) { return (layer + 1) % 6 != 0; });
  set_full_heads(spec, full_head_width);
  check_overrides(reader, spec);
  share_upper_layers(spec, reader.count("num_kv_shared_layers", 0));
  if (reader.flag("use_double_wide_mlp", false)) {
    for (int64_t layer = 0; layer < spec.layer_count; ++layer) {
      spec.feed_forward_widths.push_back(spec.feed_forward_width * (spec.key_value_source_of(layer) == layer ? 1 : 2));
    }
  }
  spec.layer_input_width = reader.count("hidden_size_per_layer_input", 256);
  if (spec.layer_input_width > 0 &&
      reader.size("vocab_size_per_layer_input", spec.vocabulary_size) != spec.vocabulary_size) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: vocab_size_per_layer_input other than vocab_size is not supported");
  }
  return completed(std::move(spec), "config.json");
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gemma4");
  reader.refuse_other_families({"attention.sliding_window", "final_logit_softcapping"});
  ModelSpec spec = reader.common_spec();  // its heads are those of the layers without a window
  const int64_t full_head_width = spec.head_width;
  spec.head_width = reader.size("attention.key_length_swa", full_head_width);
  spec.logit_cap = reader.positive("final_logit_softcapping");
  reader.read_window(spec, [](int64_t layer) { return (layer + 1) % 6 != 0; });
  set_full_heads(spec, full_head_width);
  share_upper_layers(spec, reader.count("attention.shared_kv_layers", 0));
  spec.layer_input_width = reader.count("embedding_length_per_layer_input", 0);
  spec.rope_scaling = "proportional";  // as a table: those that stand still are divided by 1e30
  RopeScaling local;
  local.rotated_width = reader.size("rope.dimension_count_swa", spec.head_width);
  local.theta = reader.positive("rope.freq_base_swa").value_or(10000);
  spec.local_rope_source = local;
  spec.local_rope = rope_parameters(local);
  return completed(std::move(spec), "GGUF metadata");
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec, {.gate = Nonlinearity::kGelu,
                                    .query_key_norm = QueryKeyNorm::kEachHead,
                                    .norms_outputs = true,
                                    .norms_values = true,
                                    .scales_layers = true});
}

}  // namespace

extern const Architecture kGemma4 = {
    .name = "gemma4",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Gemma4ForCausalLM",
};

}  // namespace pelton
