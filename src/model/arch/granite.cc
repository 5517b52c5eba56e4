// Granite 3, dense (IBM 2024): Llama with factors on the embeddings, on the scores, on what each block adds to the
// residual, and on the logits.
#include "model/arch.h"
#include "model/arch/llama_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"granite"};
constexpr std::string_view kGgufNames[] = {"granite"};

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  ModelSpec spec = reader.common_spec("granite");
  spec.has_query_key_value_bias = spec.has_attention_output_bias = reader.flag("attention_bias", false);
  spec.has_feed_forward_bias = reader.flag("mlp_bias", false);
  spec.embedding_scale = reader.positive("embedding_multiplier").value_or(1);
  spec.attention_scale = reader.positive("attention_multiplier").value_or(1);
  spec.residual_scale = reader.positive("residual_multiplier").value_or(1);
  spec.logit_scale = 1 / reader.positive("logits_scaling").value_or(1);
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "granite");
  reader.refuse_other_families({"embedding_scale", "attention.scale", "residual_scale", "logit_scale"});
  ModelSpec spec = reader.common_spec();
  spec.rope.pairing = RopePairing::kInterleaved;
  reader.read_biases(spec);
  spec.embedding_scale = reader.positive("embedding_scale").value_or(1);
  spec.attention_scale = reader.positive("attention.scale");
  spec.residual_scale = reader.positive("residual_scale").value_or(1);
  spec.logit_scale = 1 / reader.positive("logit_scale").value_or(1);
  return spec;
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  metadata.add("granite.embedding_scale", spec.embedding_scale);
  metadata.add("granite.attention.scale", attention_scale(spec));
  metadata.add("granite.residual_scale", spec.residual_scale);
  metadata.add("granite.logit_scale", 1 / spec.logit_scale);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = spec.has_query_key_value_bias;
  config["mlp_bias"] = spec.has_feed_forward_bias;
  config["embedding_multiplier"] = number_or_null(spec.embedding_scale);
  config["attention_multiplier"] = number_or_null(attention_scale(spec));
  config["residual_multiplier"] = number_or_null(spec.residual_scale);
  config["logits_scaling"] = number_or_null(1 / spec.logit_scale);
}

Graph lower(const ModelSpec& spec) { return lower_gated_decoder(spec, {}); }

}  // namespace

extern const Architecture kGranite = {
    .name = "granite",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kLlamaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .interleaves_heads_in_gguf = true,
    .hugging_face_class = "GraniteForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
