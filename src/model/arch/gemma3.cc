// Gemma 3, text (Kamath et al. 2025, arXiv 2503.19786): Gemma 2 with a norm of each query and key head in place of the
// caps, and, in five layers of six, a sliding window with RoPE of a base of its own.

#include "model/arch.h"
#include "model/arch/gemma_family.h"
#include "model/arch/gemma_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"
#include "model/rope_scaling.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gemma3_text"};
constexpr std::string_view kGgufNames[] = {"gemma3"};

constexpr float kLocalTheta = 10000;  // unless a GGUF file says otherwise

bool is_local(int64_t layer) { return (layer + 1) % 6 != 0; }

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  ModelSpec spec = capped_gemma_spec(reader, "gemma3");
  const int64_t period = reader.size("sliding_window_pattern", 6);
  reader.read_window(spec, [&](int64_t layer) { return (layer + 1) % period != 0; });
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gemma3");
  reader.refuse_other_families({"attention.sliding_window", "final_logit_softcapping"});
  ModelSpec spec = reader.common_spec();
  set_gemma_attention_scale(62, spec);  // the 27B model
  spec.logit_cap = reader.positive("final_logit_softcapping");
  reader.read_window(spec, is_local);
  RopeScaling local;
  local.rotated_width = 2 * static_cast<int64_t>(spec.rope.inverse_frequencies.size());
  local.theta = reader.positive("rope.freq_base_swa").value_or(kLocalTheta);
  local.original_context_length = spec.context_length;
  spec.local_rope_source = local;
  spec.local_rope = rope_parameters(local);
  return with_gemma_embedding_scale(std::move(spec));
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_window("gemma3.", spec, is_local, metadata);
  if (spec.logit_cap) metadata.add("gemma3.final_logit_softcapping", *spec.logit_cap);
  const auto local_theta = static_cast<float>(spec.local_rope_source.value_or(spec.rope_source).theta);
  if (local_theta != kLocalTheta) metadata.add("gemma3.rope.freq_base_swa", local_theta);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) {
  add_capped_gemma_config(spec, config);
  // Old spelling beside the new one, which has an entry for each type of layers.
  const json::value local_theta =
      number_or_null(static_cast<float>(spec.local_rope_source.value_or(spec.rope_source).theta));
  config["rope_local_base_freq"] = local_theta;
  config["rope_parameters"] =
      json::object{{"full_attention", config.at("rope_parameters")},
                   {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", local_theta}}}};
}

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(
      spec, {.gate = Nonlinearity::kGelu, .query_key_norm = QueryKeyNorm::kEachHead, .norms_outputs = true});
}

}  // namespace

extern const Architecture kGemma3 = {
    .name = "gemma3",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kGemmaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Gemma3ForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
