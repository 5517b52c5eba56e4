// Gemma 2 (Rivière et al. 2024, arXiv 2408.00118): Gemma with norms after each block too, soft caps of scores and
// logits, and a sliding window in every other layer.

#include "model/arch.h"
#include "model/arch/gemma_family.h"
#include "model/arch/gemma_names.h"
#include "model/config.h"
#include "model/config_writer.h"
#include "model/gated_decoder.h"

namespace pelton {
namespace {

constexpr std::string_view kHuggingFaceTypes[] = {"gemma2"};
constexpr std::string_view kGgufNames[] = {"gemma2"};

bool is_local(int64_t layer) { return layer % 2 == 0; }

ModelSpec spec_from_hugging_face(const json::object& config) {
  const HuggingFaceConfig reader(config);
  ModelSpec spec = capped_gemma_spec(reader, "gemma2");
  reader.read_window(spec, is_local);
  return spec;
}

ModelSpec spec_from_gguf(const GgufFile& file) {
  const GgufConfig reader(file, "gemma2");
  reader.refuse_other_families({"attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping"});
  ModelSpec spec = reader.common_spec();
  set_gemma_attention_scale(46, spec);  // the 27B model
  // Files of the first converter leave out what all models of the family have.
  spec.attention_cap = reader.positive("attn_logit_softcapping").value_or(50);
  spec.logit_cap = reader.positive("final_logit_softcapping").value_or(30);
  reader.read_window(spec, is_local);
  return with_gemma_embedding_scale(std::move(spec));
}

void add_gguf_config(const ModelSpec& spec, GgufMetadata& metadata) {
  add_gguf_window("gemma2.", spec, is_local, metadata);
  if (spec.attention_cap) metadata.add("gemma2.attn_logit_softcapping", *spec.attention_cap);
  if (spec.logit_cap) metadata.add("gemma2.final_logit_softcapping", *spec.logit_cap);
}

void add_hugging_face_config(const ModelSpec& spec, json::object& config) { add_capped_gemma_config(spec, config); }

Graph lower(const ModelSpec& spec) {
  return lower_gated_decoder(spec, {.gate = Nonlinearity::kGelu, .norms_outputs = true});
}

}  // namespace

extern const Architecture kGemma2 = {
    .name = "gemma2",
    .hugging_face_types = kHuggingFaceTypes,
    .gguf_names = kGgufNames,
    .weight_names = kGemmaWeightNames,
    .spec_from_hugging_face = spec_from_hugging_face,
    .spec_from_gguf = spec_from_gguf,
    .lower = lower,
    .hugging_face_class = "Gemma2ForCausalLM",
    .add_gguf_config = add_gguf_config,
    .add_hugging_face_config = add_hugging_face_config,
};

}  // namespace pelton
