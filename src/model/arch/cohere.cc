// Command R (Cohere 2024): both blocks read the same sum through one norm, LayerNorm without biases, rotated pairs that
// are neighbours, tied output with scaled logits.
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"cohere"};
constexpr std::string_view kGgufNames[] = {"command-r"};

// Llama's, of which it lacks the second norm; nobody reorders the rows of its heads.
constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.norm", "model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kAttentionNames, kFeedForwardNames, kOwnNames);

ModelSpec completed(ModelSpec spec) {
  spec.architecture = "cohere";  // which GGUF calls otherwise
  spec.rope.pairing = RopePairing::kInterleaved;
  return spec;
}

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("cohere", {.has_tied_output = true});
  spec.norm_epsilon = reader.positive("layer_norm_eps").value_or(1e-5f);
  spec.logit_scale = reader.positive("logit_scale").value_or(0.0625f);
  spec.has_query_key_norm = reader.flag("use_qk_norm", false);
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  return completed(std::move(spec));
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "command-r");
  reader.refuse_other_families({"logit_scale"});
  ModelSpec spec = reader.common_spec();
  reader.read_biases(spec);
  spec.norm_epsilon = reader.positive("attention.layer_norm_epsilon").value_or(1e-5f);
  spec.logit_scale = reader.positive("logit_scale").value_or(1);
  spec.has_query_key_norm = file.find("blk.0.attn_q_norm.weight").has_value();
  return completed(std::move(spec));
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_layer_norm("command-r.", spec, metadata);
  metadata.add("command-r.logit_scale", spec.logit_scale);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  rename_norm_epsilon("layer_norm_eps", config);
  config["hidden_act"] = "silu";
  config["logit_scale"] = number_or_null(spec.logit_scale);
  config["use_qk_norm"] = spec.has_query_key_norm;
  config["attention_bias"] = spec.has_query_key_value_bias;
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(
      spec, {.norm = NormKind::kLayerWithoutBias,
             .residual = Residual::kParallelOneNorm,
             .query_key_norm = spec.has_query_key_norm ? QueryKeyNorm::kLayerNormOfEachHead : QueryKeyNorm::kNone});
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
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
