// OLMo 2 (Walsh et al. 2025, arXiv 2501.00656): Llama with norms after each block in place of those before it, and of
// whole rows of queries and keys.
#include "model/arch.h"
#include "model/arch/decoder_names.h"
#include "model/config.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"olmo2"};
constexpr std::string_view kGgufNames[] = {"olmo2"};

constexpr WeightName kOwnNames[] = {
    {"layers.{}.attention.output_norm", "model.layers.{}.post_attention_layernorm.weight",
     "blk.{}.post_attention_norm.weight"},
    {"layers.{}.mlp.output_norm", "model.layers.{}.post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight"},
};
constexpr auto kWeightNames = join_names(kOuterNames, kAttentionNames, kFeedForwardNames, kOwnNames);

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  reader.require("hidden_act", {"silu"});
  reader.require_false("attention_bias");
  reader.require_absent({"sliding_window"});
  return reader.common_spec("olmo2");
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "olmo2");
  reader.refuse_other_families({});
  return reader.common_spec();
}

void add_hugging_face_config(const ModelSpec&, json::object& config) {
  config["hidden_act"] = "silu";
  config["attention_bias"] = false;
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec,
                             {.query_key_norm = QueryKeyNorm::kWholeRow, .norms_inputs = false, .norms_outputs = true});
}

}  // namespace

extern const Architecture kOlmo2 = {
    .name = "olmo2",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Olmo2ForCausalLM",
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
